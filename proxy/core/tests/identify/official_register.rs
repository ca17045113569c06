//! What the official register says, by name for its hard cases.

use std::collections::{BTreeMap, HashSet};

use schleuse_core::{Ags, Level, TenantId, level::office, slug::slug};

use crate::support::{EISENACH, EISENACH_BEFORE, OFFICIAL, REGISTER, identify, key, office_of};

/// Finds the place by ARS, AGS and slug, and that it is called `name`.
#[track_caller]
fn is_found(ars: &str, name: &str, slug: &str) {
    let ags = [&ars[..5], &ars[9..]].concat();
    assert_eq!(REGISTER.place_by_digits(ars), Some(key(ars)));
    assert_eq!(REGISTER.place_by_digits(&ags), Some(key(ars)));
    assert_eq!(REGISTER.place_by_slug(slug), Some(key(ars)));
    assert_eq!(REGISTER.name(office_of(ars)), Some(name));
}

#[test]
fn groede_with_its_seven_people_is_found() {
    is_found("010545459039", "Gröde", "groede");
    assert_eq!(REGISTER.population(office_of("010545459039")), 7);
}

#[test]
fn berlin_is_land_kreis_and_gemeinde_at_once() {
    is_found("110000000000", "Berlin, Stadt", "berlin");
    for ars in ["110000000000", "110000000", "11000", "11"] {
        assert_eq!(REGISTER.population(office_of(ars)), 3_685_265, "{ars}");
    }
    assert_eq!(REGISTER.name(office_of("11")), Some("Berlin"));
    assert_eq!(REGISTER.name(office_of("11000")), Some("Berlin, Stadt"));
}

#[test]
fn bremen_is_one_of_the_two_cities_of_its_land() {
    is_found("040110000000", "Bremen, Stadt", "bremen");
    let land = REGISTER.population(office_of("04"));
    let cities = ["040110000000", "040120000000"].map(|ars| REGISTER.population(office_of(ars)));
    assert_eq!(land, cities.iter().sum::<u64>());
}

#[test]
fn aachen_looks_like_a_city_of_its_own_and_lies_in_a_kreis() {
    is_found("053340002002", "Aachen, Stadt", "aachen");
    assert_eq!(
        REGISTER.place_by_digits("05334000"),
        Some(key("05334")),
        "the padded Kreis"
    );
    assert_eq!(REGISTER.name(office_of("05334")), None);
}

#[test]
fn koeln_is_what_its_padded_kreis_names() {
    is_found("053150000000", "Köln, Stadt", "koeln");
    assert_eq!(
        REGISTER.place_by_digits("05315000"),
        Some(key("053150000000"))
    );
}

#[test]
fn hannover_and_saarbruecken_lie_in_regions() {
    is_found("032410001001", "Hannover, Landeshauptstadt", "hannover");
    is_found(
        "100410100100",
        "Saarbrücken, Landeshauptstadt",
        "saarbruecken",
    );
    assert_eq!(REGISTER.place_by_digits("03241000"), Some(key("03241")));
    assert_eq!(REGISTER.place_by_digits("10041000"), Some(key("10041")));
}

#[test]
fn eleven_places_are_called_neuenkirchen_and_the_name_alone_finds_none() {
    assert_eq!(REGISTER.place_by_slug("neuenkirchen"), None);
    assert_eq!(REGISTER.places_with_slug("neuenkirchen"), 11);
    assert_eq!(
        REGISTER.name(office_of("055660060060")),
        Some("Neuenkirchen")
    );
}

#[test]
fn slashes_brackets_and_short_names_are_found() {
    is_found("160695051006", "Brünn/Thür.", "bruenn-thuer");
    is_found("073365009501", "Quirnbach/ Pfalz", "quirnbach-pfalz");
    is_found(
        "071325006102",
        "Seelbach bei Hamm (Sieg)",
        "seelbach-bei-hamm-sieg",
    );
    is_found("083155007003", "Au", "au");
}

#[test]
fn a_sorbian_name_is_found_in_ascii() {
    is_found(
        "120615113005",
        "Alt Zauche-Wußwerk/Stara Niwa-Wózwjerch",
        "alt-zauche-wusswerk-stara-niwa-wozwjerch",
    );
}

#[test]
fn lohheide_is_in_no_gemeinde_and_still_a_tenant() {
    is_found("033519501501", "Lohheide, gemfr. Bezirk", "lohheide");
    assert_eq!(
        REGISTER.name(office_of("033519501")),
        Some("Lohheide, gemfr. Bezirk")
    );
}

#[test]
fn the_verbandsgemeinde_bitburger_land_is_one_office_for_71_gemeinden() {
    let verband = office_of("072325008");
    let members: Vec<_> = REGISTER
        .places()
        .filter(|&place| office(place, Level::Verband) == Some(verband))
        .collect();
    assert_eq!(members.len(), 71);
    let people: u64 = members
        .iter()
        .map(|&place| REGISTER.population(TenantId::new(place)))
        .sum();
    assert_eq!(REGISTER.population(verband), people);
}

#[test]
fn eisenach_is_found_by_its_key_from_before_the_merger() {
    assert_eq!(
        REGISTER.place_by_digits(EISENACH_BEFORE),
        Some(key(EISENACH))
    );
    assert_eq!(
        REGISTER.place_by_digits("16056000"),
        Some(key(EISENACH)),
        "its old AGS"
    );
    assert_eq!(
        REGISTER.place_by_digits("16056"),
        None,
        "the old Kreis itself has no successor"
    );
}

#[test]
fn every_place_is_found_by_ars_ags_and_unique_name_alike() {
    let mut with_unique_name = 0;
    for row in OFFICIAL.iter() {
        let place = REGISTER.place_by_digits(&row.ars);
        assert_eq!(place, Some(key(&row.ars)), "{}", row.ars);
        assert_eq!(REGISTER.place_by_digits(&row.ags), place, "{}", row.ags);
        assert_eq!(
            Ags::of(key(&row.ars)).map(|ags| ags.to_string()).as_ref(),
            Some(&row.ags)
        );
        let slug = slug(&row.name);
        if REGISTER.places_with_slug(&slug) == 1 {
            assert_eq!(REGISTER.place_by_slug(&slug), place, "{slug}");
            with_unique_name += 1;
        } else {
            assert_eq!(REGISTER.place_by_slug(&slug), None, "{slug}");
        }
    }
    assert_eq!(with_unique_name, 10_753 - 895);
}

#[test]
fn every_place_is_identified_by_path_query_and_host_alike() {
    for row in OFFICIAL.iter() {
        for url in [
            format!("wohngeld.example/{}/antrag", row.ars),
            format!("wohngeld.example/{}/antrag", row.ags),
            format!("wohngeld.example/?ars={}", row.ars),
            format!("wohngeld.example/?ags={}", row.ags),
            format!("{}.wohngeld.example/", row.ars),
            format!("{}.wohngeld.example/", row.ags),
        ] {
            let tenant = identify(&url).map(|identified| identified.tenant);
            assert_eq!(tenant, Ok(office_of(&row.ars)), "{url}");
        }
    }
}

#[test]
fn the_register_has_the_official_numbers() {
    assert_eq!(REGISTER.tenant_count(), 10_753);
    assert_eq!(REGISTER.places().collect::<HashSet<_>>().len(), 10_753);
    assert_eq!(REGISTER.population(TenantId::BUND), 83_577_140);
    assert_eq!(
        OFFICIAL
            .iter()
            .filter(|row| row.ags.ends_with("000"))
            .count(),
        106
    );
    let kreise: HashSet<_> = REGISTER
        .places()
        .filter_map(|place| place.prefix(5))
        .collect();
    assert_eq!(kreise.len(), 400);
}

#[test]
fn the_laender_have_the_official_number_of_places() {
    let mut places = BTreeMap::<String, usize>::new();
    for land in REGISTER.places().filter_map(|place| place.prefix(2)) {
        let name = REGISTER
            .name(TenantId::new(land))
            .expect("a Land has a name");
        *places.entry(name.to_owned()).or_default() += 1;
    }
    assert_eq!(places.len(), 16);
    assert_eq!(places["Rheinland-Pfalz"], 2_300);
    assert_eq!(
        places["Niedersachsen"],
        939 + 2,
        "with Lohheide and Osterheide"
    );
    assert_eq!(places["Berlin"], 1);
}
