//! The name of a place as a label of a host: `Brünn/Thür.` becomes `bruenn-thuer`.
//!
//! People write umlauts as two letters in addresses, so do we; other marks are dropped (`Stara Niwa-Wózwjerch`). What
//! follows the first comma of an official name is its title (`Kiel, Landeshauptstadt`) and no part of the slug.

/// The slug of an official name: lower-case ASCII letters and digits, single hyphens between them. May be empty.
///
/// ```
/// use schleuse_core::slug::slug;
///
/// assert_eq!(slug("Lübeck, Hansestadt"), "luebeck");
/// ```
pub fn slug(name: &str) -> String {
    let short = name.split_once(',').map_or(name, |(short, _title)| short);
    let mut slug = String::with_capacity(short.len() + 2);
    let mut gap = false;
    for letter in short.chars().flat_map(char::to_lowercase) {
        let letters = ascii(letter, &slug);
        if letters.is_empty() && !letter.is_ascii_alphanumeric() {
            gap |= !is_mark(letter);
            continue;
        }
        if gap && !slug.is_empty() {
            slug.push('-');
        }
        gap = false;
        if letters.is_empty() {
            slug.push(letter);
        } else {
            slug.push_str(letters);
        }
    }
    slug
}

/// A combining mark: belongs to the letter before it (text in Unicode's decomposed form).
const fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}')
}

/// The spelling of a lower-case Latin letter in ASCII; empty for ASCII itself and for whatever is no such letter.
///
/// Covers Latin-1 and Latin Extended-A, which hold the letters of every official name (German and Sorbian).
fn ascii(letter: char, before: &str) -> &'static str {
    match letter {
        'ä' | 'æ' => "ae",
        'ö' | 'œ' => "oe",
        'ü' => "ue",
        'ß' => "ss",
        '\u{308}' if before.ends_with(['a', 'o', 'u']) => "e",
        'à'..='ã' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => "i",
        'ĵ' => "j",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ŀ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò'..='õ' | 'ø' | 'ō' | 'ŏ' | 'ő' => "o",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' => "s",
        'ţ' | 'ť' | 'ŧ' => "t",
        'ù'..='û' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => "u",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn official_names_become_labels() {
        for (name, label) in [
            ("Brünn/Thür.", "bruenn-thuer"),
            ("Quirnbach/ Pfalz", "quirnbach-pfalz"),
            ("Seelbach bei Hamm (Sieg)", "seelbach-bei-hamm-sieg"),
            (
                "Alt Zauche-Wußwerk/Stara Niwa-Wózwjerch",
                "alt-zauche-wusswerk-stara-niwa-wozwjerch",
            ),
            ("Łužyca ě ń č ś ć ź", "luzyca-e-n-c-s-c-z"),
            ("Au", "au"),
            ("Öhringen, Stadt", "oehringen"),
            ("Lohheide, gemfr. Bezirk", "lohheide"),
            ("Ko\u{308}ln", "koeln"),
            ("Wo\u{301}zwjerch", "wozwjerch"),
            ("(—)", ""),
        ] {
            assert_eq!(slug(name), label, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_slug_is_a_label_of_a_host_or_empty(name in ".*") {
            let slug = slug(&name);
            prop_assert!(slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            prop_assert!(!slug.starts_with('-') && !slug.ends_with('-') && !slug.contains("--"), "{}", slug);
        }
    }
}
