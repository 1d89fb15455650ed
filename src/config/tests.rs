//! Configurations that are taken, that are refused, and what people are told about them.

use std::time::Duration;

use crate::outlet;
use crate::ward::Language;

use super::*;
use crate::camera;
use crate::incident;

const EXAMPLE: &str = include_str!("../../config/example.toml");

fn parse_at(text: &str, day: &str) -> Result<Loaded, Faults> {
    let env =
        |name: &str| name.starts_with("KENG_").then(|| "hunter2, and sixteen more".to_owned());
    let around = Surroundings {
        file: Path::new("config/x.toml"),
        base_dir: Path::new("/etc/keng"),
        binary_dir: None,
        env: &env,
        now: Wall::parse_rfc3339(&format!("{day}T12:00:00+07:00")).unwrap(),
    };
    parse(text, &around)
}

fn parse_with_env(text: &str, value: &str) -> Result<Loaded, Faults> {
    let around = Surroundings {
        file: Path::new("config/x.toml"),
        base_dir: Path::new("/etc/keng"),
        binary_dir: None,
        env: &|_| Some(value.to_owned()),
        now: Wall::default(),
    };
    parse(text, &around)
}

fn parsed(text: &str) -> Result<Loaded, Faults> {
    parse_at(text, "2026-11-22")
}

/// The faults of a text, one a line.
fn faults(text: &str) -> String {
    parsed(text).expect_err("the text has a fault").to_string()
}

/// The example with one of its lines replaced.
fn example_with(line: &str, replacement: &str) -> String {
    assert_eq!(EXAMPLE.matches(line).count(), 1, "{line} is there once");
    EXAMPLE.replace(line, replacement)
}

/// `config/default.toml` with its examples made real.
fn all_keys() -> String {
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest.to_owned(),
        _ => line.to_owned(),
    };
    DEFAULT_TOML.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_default_file_is_the_codes_defaults() {
    let loaded = parsed(DEFAULT_TOML).unwrap();
    let ward = Ward {
        id: Id::new("phuong").unwrap(),
        name: "phuong".to_owned(),
        timezone: jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap(),
        language: Language::Vi,
    };
    let around = Surroundings {
        file: Path::new("config/x.toml"),
        base_dir: Path::new("/etc/keng"),
        binary_dir: None,
        env: &|_| None,
        now: Wall::default(),
    };
    assert_eq!(loaded.settings, Settings::new(ward, &around));
    let bare = parsed("[ward]\nid = \"phuong\"\n").unwrap();
    assert_eq!(bare.settings, loaded.settings);
}

#[test]
fn the_default_files_examples_are_taken() {
    let loaded =
        parsed(&all_keys().replace("{ file = \"secrets/hem-42\" }", "{ env = \"KENG_X\" }"));
    let settings = loaded.unwrap().settings;
    assert_eq!(settings.cameras.len(), 2);
    assert_eq!(settings.cameras[0].rules.zones.len(), 1);
    assert!(settings.mqtt.url.is_some());
}

#[test]
fn the_default_file_documents_every_key() {
    let strange = |text: &str| {
        let mut out = String::new();
        for line in text.lines() {
            let opens = line.starts_with('[');
            let inline = line.replace("= { ", "= { qqqqqqqq = 1, ");
            out = out + &inline + "\n" + if opens { "qqqqqqqq = 1\n" } else { "" };
        }
        "qqqqqqqq = 1\n".to_owned() + &out
    };
    let found = faults(&strange(&all_keys()));
    let lists: Vec<&str> =
        found.lines().filter_map(|l| l.split_once("known here: ")).map(|(_, l)| l).collect();
    assert!(lists.len() >= 18, "{found}");
    for key in lists.iter().flat_map(|list| list.split(", ")) {
        let shown = [format!("{key} = "), format!("[{key}"), format!(".{key}]")];
        assert!(shown.iter().any(|form| DEFAULT_TOML.contains(form)), "{key} is not documented");
    }
}

#[test]
fn the_example_file_is_taken_without_a_word() {
    let loaded = parsed(EXAMPLE).unwrap();
    assert_eq!(loaded.warnings, []);
    let settings = loaded.settings;
    assert_eq!(settings.khu_pho.len(), 2);
    let hem = &settings.cameras[0];
    assert_eq!(hem.site.neighbours, [Id::new("cho-nho").unwrap()]);
    assert_eq!(hem.rules.fire.confidence_min, 0.55);
    assert_eq!(settings.cameras[1].rules.fire.confidence_min, 0.45);
    assert_eq!(hem.rules.fire.confirm, Duration::from_secs(3));
    assert_eq!(hem.rules.zones[0].rules, [rule::RuleKind::Loitering]);
    assert_eq!(settings.cameras[1].stream.transport, camera::Transport::Udp);
    assert_eq!(settings.store.path, Path::new("/etc/keng/var"));
    // Beside the file, or where a model of that name is found.
    assert!(settings.detector.model.ends_with("models/keng.onnx"));
}

#[test]
fn all_faults_come_out_at_once_and_in_order() {
    let text = "\
[ward]
id = \"Phuong\"
langage = \"vi\"
[store]
retention_days = 0
[[khu_pho]]
id = \"kp3\"
[[camera]]
id = \"hem-42\"
khu_pho = \"kp4\"
url = \"http://192.0.2.1/\"
neighbours = [\"hem-42\", \"hem-43\"]
mask = [[[0, 0], [1, 1]]]
place = { address = \"x\", latitude = 106.667, longitude = 10.793 }
";
    let expected = "\
config/x.toml:2:6: ward.id: an id has lower-case letters, digits and hyphens only, not 'P': \
write it like \"hem-42\": it is a level of the topics
config/x.toml:3:1: ward.langage: unknown key: did you mean \"language\"?
config/x.toml:5:18: store.retention_days: 0 is out of range: give a number from 1 to 3650 (days)
config/x.toml:10:11: camera[0].khu_pho: there is no khu_pho kp4: \
add [[khu_pho]] with id = \"kp4\", or give one of kp3
config/x.toml:11:7: camera[0].url: the scheme \"http\" is not spoken here: \
write it like \"rtsp://192.0.2.14/stream2\"
config/x.toml:12:15: camera[0].neighbours[0]: a camera is not its own neighbour: take it out
config/x.toml:12:25: camera[0].neighbours[1]: no camera has the id hem-43: add it, or correct the id
config/x.toml:13:9: camera[0].mask[0]: has 2 corners and encloses nothing: \
give at least 3, such as [[0.2, 0.5], [0.9, 0.5], [0.9, 1.0]]
config/x.toml:14:37: camera[0].place.latitude: 106.667 is out of range: \
give a number from -90 to 90 (degrees north)";
    assert_eq!(faults(text), expected);
}

#[test]
fn each_of_these_is_refused_with_its_reason() {
    let url = "url = \"rtsp://192.0.2.14/stream2\"";
    let cases = [
        (url, "url = \"rtsp://viewer:hunter2@192.0.2.14/\"", "credentials don't belong in a url"),
        (url, "url = \"rtsp:///stream2\"", "url"),
        (url, "url = \"192.0.2.14\"", "is no url"),
        (url, "", "camera[0].url: is missing"),
        (url, "url = 5", "expected a text in quotes, found integer"),
        ("timezone = \"Asia/Ho_Chi_Minh\"", "timezone = \"Asia/Saigon2\"", "is not known"),
        ("language = \"vi\"", "language = \"vn\"", "did you mean \"vi\"?"),
        ("language = \"vi\"", "language = \"\"", "is empty"),
        ("latitude = 10.7925", "", "a longitude without a latitude"),
        ("night = \"22:00-05:00\"", "night = \"22-5\"", "are no hours"),
        ("dwell_s = 120", "dwell_s = 0", "0 is out of range"),
        ("dwell_s = 120", "dwell_s = nan", "nan is out of range"),
        ("dwell_s = 120", "dwell_s = \"2 min\"", "expected a number"),
        ("dwell_s = 120", "return_window_s = -1", "-1 is out of range"),
        ("dwell_s = 120", "group_size = 1", "a number from 2 to 50"),
        ("dwell_s = 120", "group_size = 2.5", "2.5 is out of range"),
        ("dwell_s = 120", "group_dwell_s = 0", "0 is out of range"),
        ("rules = [\"loitering\"]", "rules = [\"loitering\"]\nresidents_hours = \"x\"", "a list"),
        (
            "rules = [\"loitering\"]",
            "rules = [\"loitering\"]\nresidents_hours = [\"5-6\"]",
            "no hours",
        ),
        ("rules = [\"loitering\"]", "rules = [\"loitering\"]\nresidents = []", "unknown key"),
        ("rule.fire.confidence_min = 0.55", "rule.fire.confidence_min = 1.5", "0 to 1"),
        ("rule.fire.confidence_min = 0.55", "rule.fire.confidense_min = 0.5", "confidence_min"),
        ("threads = 2", "threads = 65", "from 1 to 64"),
        ("threads = 2", "threads = 2.5", "2.5 is out of range"),
        ("retention_days = 30", "retention_days = 0x1e", "expected a number"),
        ("transport = \"udp\"", "transport = \"http\"", "give one of tcp, udp"),
        ("[ward]", "[wards]\nid = \"x\"\n[ward]", "did you mean \"ward\"?"),
        ("consent_until = 2027-06-30", "consent_until = \"2027-06-30\"", "without quotes"),
        ("consent_until = 2027-06-30", "consent_until = 2027-06-30T00:00:00", "a day such as"),
        ("kind = \"extinguisher\"", "kind = \"bucket\"", "extinguisher, hydrant, water"),
        ("rules = [\"loitering\"]", "rules = []", "names no rule"),
        ("rules = [\"loitering\"]", "rules = [\"camera\"]", "is not known"),
        ("[0.9, 0.5], [0.9, 1.0]", "[0.9, 0.5], [1.9, 1.0]", "1.9 is out of range"),
        ("[0.9, 0.5], [0.9, 1.0], [0.2, 1.0]", "[0.9, 0.5], [0.5, 0.5]", "encloses no area"),
        ("listen = \"127.0.0.1:8080\"", "listen = \"8080\"", "is no address"),
        ("listen = \"127.0.0.1:8080\"", "listen = \"0.0.0.0:8080\"", "without TLS"),
        ("[web]", "[web]\ncertificate = \"x.pem\"", "a certificate without its key"),
        ("[web]", "[web]\nkey = \"x.pem\"", "a key without a certificate"),
        ("[web]", "[web]\nbehind_proxy = true\nproxies = [\"proxy\"]", "is no address"),
        ("[web]", "[web]\npush = true", "push without push_contact"),
        ("[web]", "[web]\npush = true\npush_contact = \"ba\"", "is no contact"),
        ("[web]", "[web]\npush_services = [\"*\"]", "is neither a host"),
        ("[web]", "[web]\npush_services = []", "0 push services"),
        ("[web]", "[web]\ntiles = \"//t.example/{z}/{x}/{y}\"", "is neither http:// nor https://"),
        ("[web]", "[web]\ntiles = \"https://t.example/{z}/{x}.png\"", "has not each of {z}"),
        ("[web]", "[web]\ntiles = \"https://a:b@t.example/{z}/{x}/{y}\"", "has a password in it"),
        ("[web]", "[web]\ntiles = \"https://t.example/{z}/{x}/{y};\"", "has ';'"),
        ("[web]", "[web]\ntiles_credit = 7", "expected a text in quotes"),
        ("[web]", "[mqtt]\nurl = \"https://x\"\n[web]", "is not spoken here"),
        ("[web]", "[mqtt]\nurl = \"mqtt://x/y\"\n[web]", "a broker's url has no path"),
        ("id = \"kp4\"", "id = \"alert\"", "is a word of the topic tree"),
    ];
    for (line, replacement, expected) in cases {
        let found = faults(&example_with(line, replacement));
        assert!(found.contains(expected), "{replacement}: {found}");
        assert!(!found.contains("hunter2"), "{found}");
    }
}

#[test]
fn duplicate_ids_name_both_lines() {
    let found = faults(&example_with("id = \"cho-nho\"", "id = \"hem-42\""));
    let line = |nth: usize| {
        EXAMPLE[..EXAMPLE.match_indices("[[camera]]").nth(nth).unwrap().0].lines().count() + 2
    };
    let expected = format!("hem-42 is here on line {} and already on line {}", line(1), line(0));
    assert!(found.contains(&expected), "{found}");
    let found = faults(&example_with("id = \"kp4\"\nname", "id = \"kp3\"\nname"));
    assert!(found.contains("kp3 is here on line") && found.contains("there is no khu_pho kp4"));
}

#[test]
fn secrets_are_named_and_never_shown() {
    let with = |password: &str| {
        let lines = format!("transport = \"udp\"\nusername = \"viewer\"\npassword = {password}");
        example_with("transport = \"udp\"", &lines)
    };
    let loaded = parsed(&with("{ env = \"KENG_CAM\" }")).unwrap();
    let stream = &loaded.settings.cameras[1].stream;
    assert_eq!(stream.password.as_ref().unwrap().reveal(), "hunter2, and sixteen more");
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let cases = [
        ("\"hunter2\"", "a secret never stands in the configuration itself"),
        ("{ env = \"UNSET\" }", "the environment has no UNSET"),
        ("{ file = \"/nowhere/secret\" }", "can't read /nowhere/secret"),
        ("{ env = \"KENG_CAM\", file = \"x\" }", "a secret comes from one place"),
        ("{}", "a secret comes from one place"),
        ("{ enw = \"KENG_CAM\" }", "did you mean \"env\"?"),
    ];
    for (password, expected) in cases {
        let found = faults(&with(password));
        assert!(found.contains(expected) && !found.contains("hunter2"), "{found}");
    }
    let lone = example_with("transport = \"udp\"", "password = { env = \"KENG_CAM\" }");
    assert!(faults(&lone).contains("a password without a username"));
}

#[test]
fn a_secrets_file_is_read_without_its_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "hunter2\n").unwrap();
    let text = format!(
        "[ward]\nid = \"w\"\n[mqtt]\nusername = \"keng\"\npassword = {{ file = '{}' }}\n",
        file.display()
    );
    let loaded = parsed(&text).unwrap();
    assert_eq!(loaded.settings.mqtt.password.unwrap().reveal(), "hunter2");
}

#[test]
fn returns_groups_and_residents_hours_are_read() {
    let camera = "rule.loitering.group_size = 5\nrule.loitering.return_window_s = 0\ntransport";
    let text = example_with("dwell_s = 120", "dwell_s = 120\ngroup_dwell_s = 45.5");
    let text = text.replace("transport", camera).replace(
        "rules = [\"loitering\"]",
        "rules = [\"loitering\"]\nresidents_hours = [\"22:00-23:30\", \"04:30-05:00\"]",
    );
    let cameras = parsed(&text).unwrap().settings.cameras;
    let [first, second] = [0, 1].map(|camera: usize| &cameras[camera].rules);
    let company = |rules: &rule::Config| {
        let loitering = &rules.loitering;
        (loitering.group_size, loitering.group_dwell, loitering.return_window)
    };
    let seconds = Duration::from_secs_f64;
    assert_eq!(company(first), (3, seconds(45.5), seconds(600.0)));
    assert_eq!(company(second), (5, seconds(45.5), seconds(0.0)));
    let residents = &first.zones[0].residents;
    assert_eq!(residents.len(), 2);
    assert!(residents[0].hold(jiff::civil::time(23, 29, 59, 0)));
    assert!(!residents[1].hold(jiff::civil::time(5, 0, 0, 0)));
}

#[test]
fn night_by_the_sun_needs_a_place() {
    let sun = example_with("night = \"22:00-05:00\"", "night = \"sun\"");
    let settings = parsed(&sun).unwrap().settings;
    assert!(matches!(settings.cameras[0].rules.loitering.night, rule::Night::Sun(_)));
    let nowhere = sun.replace("latitude = 10.7925\nlongitude = 106.6670\n", "");
    assert!(faults(&nowhere).contains("where the sun sets is not known"));
}

#[test]
fn consent_that_is_over_is_a_warning_from_the_day_after() {
    assert_eq!(parse_at(EXAMPLE, "2027-06-30").unwrap().warnings, []);
    let loaded = parse_at(EXAMPLE, "2027-07-01").unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    let warning = loaded.warnings[0].to_string();
    assert!(warning.contains("camera[0].owner.consent_until: the consent ended"), "{warning}");
    let later = Wall::parse_rfc3339("2027-07-01T00:00:00+07:00").unwrap();
    assert_eq!(loaded.settings.consent_expired(later), [&Id::new("hem-42").unwrap()]);
    let before = Wall::parse_rfc3339("2027-06-30T23:59:59+07:00").unwrap();
    assert_eq!(loaded.settings.consent_expired(before), [] as [&Id; 0]);
}

#[test]
fn a_broken_text_reports_its_syntax_and_no_absences() {
    let text =
        "[ward]\nid = \"w\"\n[[camera]]\nid = \"a\"\nurl = rtsp://x\nkhu_pho = \nplase = 1\n";
    let found = faults(text);
    assert!(found.contains("config/x.toml:5:"), "{found}");
    assert!(found.contains("config/x.toml:6:"), "{found}");
    assert!(found.contains("did you mean \"place\"?"), "{found}");
    assert!(!found.contains("is missing"), "{found}");
}

#[test]
fn a_file_that_is_not_there_is_one_fault_without_a_line() {
    let found = load(Path::new("/nowhere/keng.toml")).unwrap_err().to_string();
    assert!(found.starts_with("/nowhere/keng.toml: can't be read: "), "{found}");
}

#[test]
fn a_model_is_found_beside_the_binary() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("models")).unwrap();
    let model = folder.path().join("models/somebody-elses.onnx");
    std::fs::write(&model, "").unwrap();
    let around = Surroundings {
        file: Path::new("x.toml"),
        base_dir: Path::new("/nowhere"),
        binary_dir: Some(folder.path().to_path_buf()),
        env: &|_| None,
        now: Wall::default(),
    };
    let text = "[ward]\nid = \"w\"\n[detector]\nmodel = \"models/somebody-elses.onnx\"\n";
    assert_eq!(parse(text, &around).unwrap().settings.detector.model, model);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-z0-9\\[\\]{}=\"., \n#'-]{0,200}") {
        drop(parsed(&text));
    }

    #[test]
    fn no_cut_of_the_example_makes_the_reader_panic(at in 0..EXAMPLE.len()) {
        if EXAMPLE.is_char_boundary(at) {
            drop(parsed(&EXAMPLE[..at]));
        }
    }
}

#[test]
fn a_siren_is_off_unless_the_ward_wants_it() {
    assert_eq!(parsed(EXAMPLE).unwrap().settings.incidents.siren, None);
    let with = |keys: &str| format!("{EXAMPLE}\n[siren]\n{keys}\n");
    let on = "enabled = true\nkhu_pho = [\"kp3\"]\nquiet = \"22:00-05:00\"\nseconds_max = 90";
    let siren = parsed(&with(on)).unwrap().settings.incidents.siren.unwrap();
    assert_eq!(siren.khu_pho, [Id::new("kp3").unwrap()]);
    assert_eq!((siren.seconds_max, siren.exercise), (90, false));
    assert!(siren.quiet.is_some());
    for (keys, expected) in [
        ("enabled = true", "no khu phố has a siren"),
        ("enabled = true\nkhu_pho = [\"kp9\"]", "there is no khu_pho kp9"),
        ("seconds_max = 601", "601 is out of range"),
        ("seconds_max = 0", "0 is out of range"),
        ("quiet = \"at night\"", "are no hours"),
        ("loud = true", "unknown key"),
    ] {
        let found = faults(&with(keys));
        assert!(found.contains(expected), "{keys}: {found}");
    }
}

#[test]
fn the_incident_section_and_teams_are_read() {
    let text = format!("{EXAMPLE}\n[incident]\nescalate_after_s = 90\nalerts_per_hour_max = 6\n");
    let settings = parsed(&text).unwrap().settings;
    assert_eq!(settings.incidents.escalate_after, Some(Duration::from_secs(90)));
    assert_eq!(settings.incidents.alerts_per_hour_max, Some(6));
    let team = settings.khu_pho[0].team.as_ref().unwrap();
    assert_eq!(team.phone.as_deref(), Some("0900 000 003"));
    assert_eq!(settings.khu_pho[1].team, None);
    let nameless = example_with("team = { name = \"Tổ bảo vệ ANTT khu phố 3\",", "team = {");
    assert!(faults(&nameless).contains("team.name: is missing"), "{}", faults(&nameless));
    let none = format!("{EXAMPLE}\n[incident]\nalerts_per_hour_max = 0\n");
    assert!(faults(&none).contains("0 is out of range"));
}

#[test]
fn a_team_s_key_and_password_are_named_and_long_enough() {
    let named = "name = \"Khu phố 3\"";
    let with = |more: &str| example_with(named, &format!("{named}\n{more}"));
    let both = with("key = { env = \"KENG_KEY\" }\npassword = { env = \"KENG_PASSWORD\" }");
    let settings = parsed(&both).unwrap().settings;
    let team = &settings.teams[&Id::new("kp3").unwrap()];
    assert!(team.key.is_some() && team.password.is_some());
    assert!(!format!("{settings:?}").contains("hunter2"));
    for (more, words) in [
        ("key = \"in clear, and long enough\"", "never stands in the configuration"),
        ("key = { env = \"HOME_OF_NOBODY\" }", "the environment has no HOME_OF_NOBODY"),
    ] {
        let text = faults(&with(more));
        assert!(text.contains(words) && !text.contains("in clear"), "{text}");
    }
    let short = parse_with_env(&with("key = { env = \"X\" }"), "fifteen letters");
    let text = short.unwrap_err().to_string();
    assert!(text.contains("too short") && !text.contains("fifteen"), "{text}");
}

#[test]
fn messages_are_templates_and_the_documented_ones_are_those_that_hold() {
    let shown =
        parsed(&all_keys().replace("{ file = \"secrets/hem-42\" }", "{ env = \"KENG_X\" }"));
    assert_eq!(shown.unwrap().settings.messages, alert::Messages::of(Language::Vi));
    for phrase in alert::Phrase::all() {
        assert!(DEFAULT_TOML.contains(&format!("\n#{} = ", phrase.key())), "{phrase:?}");
    }
    let with = |line: &str| format!("[ward]\nid = \"p14\"\n[message]\n{line}\n");
    let own = parsed(&with("resolved = \" XONG \"\nfire = \"\"")).unwrap().settings.messages;
    assert_ne!(own, alert::Messages::of(Language::Vi));
    let text = faults(&with("fire = \"CHÁY {palce}\""));
    assert!(text.starts_with("config/x.toml:4:14: message.fire: {palce} is not known"), "{text}");
    assert!(faults(&with("fire = \"[x\"")).contains("4:9: message.fire: '[' without"));
    assert!(faults(&with("fires = \"x\"")).contains("did you mean \"fire\"?"));
    assert!(faults(&with(&format!("fire = \"{}\"", "x".repeat(121)))).contains("over 120"));
}

#[test]
fn a_certificate_goes_with_its_key() {
    let base = "[ward]\nid = \"p14\"\n[mqtt]\nurl = \"mqtts://broker.example\"\n";
    let both = format!("{base}client_cert = \"a.pem\"\nclient_key = \"a.key\"\n");
    let mqtt = parsed(&both).unwrap().settings.mqtt;
    assert_eq!(mqtt.client_cert.as_deref(), Some(Path::new("/etc/keng/a.pem")));
    let alone = faults(&format!("{base}client_cert = \"a.pem\"\n"));
    assert!(alone.contains("without its key"), "{alone}");
}

#[test]
fn push_is_off_until_it_is_turned_on_and_knows_the_usual_services() {
    let base = "[ward]\nid = \"p14\"\n[web]\n";
    assert_eq!(parsed(base).unwrap().settings.web.push, None);
    let said = "push_contact = \"mailto:a@b.example\"\n";
    assert_eq!(parsed(&format!("{base}{said}")).unwrap().settings.web.push, None);
    let on = parsed(&format!("{base}push = true\n{said}")).unwrap().settings.web.push.unwrap();
    let services: Vec<String> = on.services.iter().map(ToString::to_string).collect();
    assert_eq!(
        (on.contact.as_str(), &services[..]),
        ("mailto:a@b.example", &crate::push::USUAL.map(str::to_owned)[..])
    );
}

const WEBHOOK: &str = "
[[webhook]]
id = \"chat\"
url = \"https://gw.example/{secret}/in\"
url_secret = { env = \"KENG_TOKEN\" }
secret = { env = \"KENG_KEY\" }
body = '{\"text\":\"{message}\"}'
kinds = [\"fire\", \"smoke\"]
khu_pho = [\"kp3\"]
severity_min = \"warning\"
expect = \"ok=true\"
timeout_s = 3
[[webhook.header]]
name = \"X-Key\"
value = { env = \"KENG_KEY\" }
";

#[test]
fn webhooks_are_read_and_their_secrets_never_shown() {
    let loaded = parsed(&format!("{EXAMPLE}{WEBHOOK}")).unwrap();
    assert_eq!(loaded.warnings, []);
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let webhook = &loaded.settings.outlets.webhooks[0];
    assert_eq!(format!("{:?}", webhook.target), "Target(https://gw.example/***)");
    assert_eq!(webhook.headers[0].0, "x-key");
    assert_eq!(webhook.timeout, Duration::from_secs(3));
    assert_eq!(webhook.filter.kinds, [incident::Kind::Fire, incident::Kind::Smoke]);
    assert_eq!(webhook.filter.severity_min, Some(incident::Severity::Warning));
    assert!(matches!(webhook.body, outlet::webhook::Body::Template(_)));
    for (line, replacement, expected) in [
        ("{secret}/in", "in", "belong together"),
        ("gw.example", "{secret}.example", "path or the query alone"),
        ("https://gw", "ftp://gw", "neither https nor http"),
        ("https://gw", "https://u:hunter2@gw", "credentials don't belong"),
        ("{message}", "{mesage}", "there is no placeholder {mesage}: known: alert, ack"),
        ("\"{message}\"", "{message}", "it is no JSON"),
        ("\"kp3\"]", "\"kp9\"]", "there is no khu_pho kp9"),
        ("[\"fire\", \"smoke\"]", "[]", "nothing would be sent"),
        ("\"warning\"", "\"warm\"", "is not known"),
        ("ok=true", "ok", "is no field and its value"),
        ("timeout_s = 3", "timeout_s = 61", "61 is out of range"),
        ("X-Key", "Host", "can't be set"),
        ("X-Key", "X-Keng-Signature", "can't be set"),
        ("name = \"X-Key\"", "", "header[0].name: is missing"),
        ("body = ", "format = \"cap\"\nbody = ", "has its own form"),
        ("timeout_s", "format = \"cap\"\ntimeout_s", "needs a sender"),
    ] {
        assert_eq!(WEBHOOK.matches(line).count(), 1, "{line}");
        let text = format!("{EXAMPLE}{}", WEBHOOK.replace(line, replacement));
        let text = if expected == "needs a sender" {
            text.replace("body = '{\"text\":\"{message}\"}'", "")
        } else {
            text
        };
        let found = faults(&text);
        assert!(found.contains(expected), "{replacement}: {found}");
        assert!(!found.contains("hunter2"), "{found}");
    }
    let twice = faults(&format!("{EXAMPLE}{WEBHOOK}{WEBHOOK}"));
    assert!(twice.contains("chat is here on line"), "{twice}");
    let plain = WEBHOOK.replace("https:", "http:");
    let warned = parsed(&format!("{EXAMPLE}{plain}")).unwrap().warnings;
    assert!(warned[0].to_string().contains("read on the way"), "{warned:?}");
}

#[test]
fn home_assistant_and_cap_are_off_unless_they_are_asked_for() {
    let settings = parsed(EXAMPLE).unwrap().settings;
    assert!(settings.outlets.home_assistant.is_none() && settings.outlets.cap.is_none());
    let with = |text: &str| parsed(&format!("{EXAMPLE}\n{text}"));
    let home = with("[home_assistant]\nenabled = true\nprefix = \"ha\"").unwrap().settings;
    assert_eq!(home.outlets.home_assistant.unwrap().prefix, "ha");
    let cap = with(
        "[cap]\nsender = \"keng@x.example\"\n[[webhook]]\nid = \"c\"\n\
                    url = \"http://127.0.0.1:1/\"\nformat = \"cap\"\n",
    );
    let settings = cap.unwrap().settings;
    let issuer = settings.outlets.cap.unwrap();
    assert!(matches!(&issuer.scope, outlet::cap::Scope::Restricted(rule) if !rule.is_empty()));
    assert_eq!(settings.outlets.webhooks[0].content_type, "application/cap+xml");
    for (text, expected) in [
        ("[cap]", "cap.sender: is missing"),
        ("[cap]\nsender = \"a b\"", "can't be a sender"),
        ("[cap]\nsender = \"a\"\nscope = \"private\"", "is not known"),
        ("[home_assistant]\nprefix = \"a/#\"", "is no topic of its own"),
    ] {
        let found = with(text).unwrap_err().to_string();
        assert!(found.contains(expected), "{text}: {found}");
    }
}
