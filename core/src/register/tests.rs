use super::*;

#[test]
fn a_pair_has_its_own_expert_beside_the_free_ones() {
    let pairs = [("en".to_string(), "de".to_string())];
    let register = Register::for_pairs(&pairs, 4, 8, &["encoder.1".to_string()]);
    let group = ["pair.en-de", "free.0", "free.1", "free.2", "free.3"];
    assert_eq!(register.routes[0].group, group);
    assert_eq!(register.check(), Ok(()));
}

#[test]
fn one_route_may_join_many_languages() {
    let languages = ["de", "en", "fr"].map(String::from);
    let any = Route { name: "any".into(), between: languages.to_vec(), ..Route::default() };
    let pair = Route {
        name: "en-it".into(),
        source: "en".into(),
        target: "it".into(),
        ..Route::default()
    };
    let register = Register { routes: vec![any, pair], ..Register::default() };
    assert_eq!(register.languages(), ["de", "en", "fr", "it"]);
    assert_eq!(register.route("de", "fr"), Some(0));
    assert_eq!(register.route("en", "it"), Some(1));
    assert_eq!(register.route("de", "it"), None);
    assert_eq!(register.route("de", "de"), None);
}

#[test]
fn a_row_goes_to_a_route_and_the_domains_that_cover_it() {
    let pairs = [("en", "de"), ("en", "fr")].map(|(a, b)| (a.to_string(), b.to_string()));
    let layers = ["encoder.1".to_string()];
    let mut register = Register::for_pairs(&pairs, 4, 8, &layers);
    for (name, routes) in [("domain.it", &["en-de", "en-fr"][..]), ("domain.law", &["en-fr"])] {
        let mut expert = ExpertEntry::new(name.into(), ExpertKind::Domain, &layers, 8);
        expert.routes = routes.iter().map(ToString::to_string).collect();
        register.experts.push(expert);
    }
    assert_eq!(register.check(), Ok(()));
    let both = ["domain.it".to_string(), "domain.law".to_string()];
    let routes =
        [(0, &[][..]), (0, &both), (1, &both)].map(|(route, of)| register.row_route(route, of));
    assert_eq!(routes.map(|row| (row.route, row.domains)), [(0, 0), (0, 1), (1, 3)]);
}

#[test]
fn a_file_outside_the_folder_is_refused() {
    let mut register = Register::default();
    register.experts.push(ExpertEntry::new("pair.x".into(), ExpertKind::Pair, &[], 1));
    for (file, is_fine) in [
        ("experts/pair.x.0123.safetensors", true),
        ("../victim", false),
        ("/etc/passwd", false),
        ("experts/../../victim", false),
        ("experts//x", false),
        ("c:\\victim", false),
    ] {
        register.experts[0].file = file.into();
        assert_eq!(register.check().is_ok(), is_fine, "{file}");
        let files = [(file.to_string(), String::new())].into();
        let other = Register { files, ..Register::default() };
        assert_eq!(other.check().is_ok(), is_fine, "{file}");
    }
}

#[test]
fn a_rule_that_cannot_be_read_is_named() {
    let text = r#"{ "routes": [{ "name": "users" }, { "name": "x", "rule": "evnts > 1" }] }"#;
    let error = Register::parse(text, Path::new("experts.json")).expect_err("a bad rule");
    assert!(error.to_string().contains("`evnts`"), "{error}");
}

#[test]
fn a_route_to_nowhere_is_refused() {
    let text = r#"{ "routes": [{ "name": "en-de", "source": "en", "target": "de",
        "group": ["pair.en-de"] }] }"#;
    let error = Register::parse(text, Path::new("experts.json")).expect_err("no expert");
    let reason = "experts.json: route `en-de` names an unknown expert `pair.en-de`";
    assert_eq!(error.to_string(), reason);
}
