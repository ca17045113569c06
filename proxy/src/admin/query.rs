//! The query of an admin resource: a fixed set of parameters, each at most once, nothing else. A misspelt parameter that
//! was passed over in silence would answer another question than the one that was asked.

/// The values of `names`, in their order.
///
/// # Errors
///
/// What is wrong with the query, for the operator.
pub(super) fn parameters<'q, const N: usize>(
    query: Option<&'q str>,
    names: [&str; N],
) -> Result<[Option<&'q str>; N], String> {
    let mut values = [None; N];
    let pairs = query.unwrap_or_default().split('&');
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let mut slots = names.iter().zip(&mut values);
        let Some((_, slot)) = slots.find(|(known, _)| **known == name) else {
            let known = names.join(" and ");
            return Err(format!("the query has no other parameters than {known}"));
        };
        if slot.replace(value).is_some() {
            return Err("a parameter of the query is repeated".to_owned());
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_in_any_order_and_those_left_out_are_none() {
        let read = parameters(Some("b=2&a=1"), ["a", "b", "c"]);
        assert_eq!(read, Ok([Some("1"), Some("2"), None]));
        assert_eq!(parameters(None, ["a"]), Ok([None]));
        assert_eq!(parameters(Some("&a&"), ["a"]), Ok([Some("")]));
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        assert!(parameters(Some("a=1&a=1"), ["a"]).is_err());
        let wrong = parameters(Some("x=1"), ["a", "b"]).unwrap_err();
        assert!(wrong.ends_with("a and b"), "{wrong}");
    }
}
