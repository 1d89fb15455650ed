//! `keng check --config FILE`: all faults at once, else what holds for each camera. With
//! `--store`: whether the alerts on the disk are whole.

mod args;
mod store;

use std::io;
use std::io::Write;

pub use args::{Args, CheckOutcome};

use crate::access::users;
use crate::camera::Transport;
use crate::config;
use crate::config::CameraSettings;
use crate::config::Loaded;
use crate::config::Settings;
use crate::geometry::Polygon;
use crate::incident::Policy;
use crate::rule::Zone;
use crate::rule::key::seconds;
use crate::web;

/// Checks a file. Faults and warnings go to `err`, what holds goes to `out`.
///
/// # Errors
/// Where `out` or `err` can't be written.
pub fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<CheckOutcome> {
    match config::load(&args.config) {
        Ok(loaded) if args.store => store::run(&loaded.settings, args, out, err),
        Ok(loaded) => {
            if let Some(fault) = page_fault(&loaded.settings) {
                writeln!(
                    err,
                    "{}: {fault}\n1 fault beside the file itself",
                    args.config.display()
                )?;
                return Ok(CheckOutcome::Faulty);
            }
            report(&loaded, out, err)?;
            Ok(CheckOutcome::Good)
        }
        Err(faults) => {
            writeln!(err, "{faults}")?;
            let count = faults.0.len();
            let noun = if count == 1 { "fault" } else { "faults" };
            writeln!(err, "{count} {noun} in {}", args.config.display())?;
            Ok(CheckOutcome::Faulty)
        }
    }
}

/// Returns what the file can't tell: others are served only where there are users.
fn page_fault(settings: &Settings) -> Option<String> {
    match users::load(&settings.store.path) {
        Ok(users) if users.is_empty() && !settings.web.is_for_this_machine() => {
            Some(web::Error::NoUsers(settings.web.listen).to_string())
        }
        Ok(_) => settings.web.check_files().err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

fn report(loaded: &Loaded, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<()> {
    for warning in &loaded.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    let settings = &loaded.settings;
    if settings.cameras.is_empty() {
        writeln!(err, "warning: no [[camera]], so nothing is watched")?;
    }
    let model = &settings.detector.model;
    if !model.is_file() {
        writeln!(err, "warning: there is no model at {}: nothing is seen", model.display())?;
    }
    write!(out, "{}", overview(settings))?;
    for camera in &settings.cameras {
        write!(out, "\n{}", table(&rows(camera, settings)))?;
    }
    Ok(())
}

fn overview(settings: &Settings) -> String {
    let ward = &settings.ward;
    let zone = ward.timezone.iana_name().unwrap_or("UTC");
    let broker = match &settings.mqtt.url {
        Some(url) => url.to_string(),
        None => format!("embedded, on {}", settings.mqtt.listen),
    };
    let store = &settings.store;
    let detector = &settings.detector;
    let names: Vec<&str> = settings.khu_pho.iter().map(|khu_pho| khu_pho.id.as_str()).collect();
    table(&[
        ("ward", format!("{} ({}), {zone}", ward.id, ward.name)),
        ("khu phố", listed(&names)),
        ("teams", teams(settings)),
        ("escalation", escalation(&settings.incidents)),
        ("alerts", alerts(&settings.incidents)),
        ("siren", siren(&settings.incidents)),
        ("broker", broker),
        ("page", page(settings)),
        ("store", format!("{}, {} days", store.path.display(), store.retention_days)),
        ("snapshots", snapshots(store)),
        ("detections", detections(store.detections_mb_max)),
        ("model", format!("{}, {} threads", detector.model.display(), detector.threads)),
        ("fire points", settings.fire_points.len().to_string()),
        ("cameras", settings.cameras.len().to_string()),
    ])
}

fn page(settings: &Settings) -> String {
    let users = match users::load(&settings.store.path) {
        Ok(users) if users.is_empty() => "no users, for this machine alone".to_owned(),
        Ok(users) => format!("{} users", users.len()),
        Err(error) => error.to_string(),
    };
    format!("{}/, {users}", settings.web.url(settings.web.listen))
}

fn teams(settings: &Settings) -> String {
    let named = settings.khu_pho.iter().filter_map(|khu_pho| {
        let team = khu_pho.team.as_ref()?;
        let phone = team.phone.as_ref().map(|phone| format!(" ({phone})")).unwrap_or_default();
        Some(format!("{}: {}{phone}", khu_pho.id, team.name))
    });
    let named: Vec<String> = named.collect();
    listed(&named.iter().map(String::as_str).collect::<Vec<_>>())
}

fn escalation(policy: &Policy) -> String {
    let after = policy.escalate_after.map(seconds);
    after.map_or_else(|| "never".to_owned(), |after| format!("{after} without an answer"))
}

fn alerts(policy: &Policy) -> String {
    match policy.alerts_per_hour_max {
        Some(most) => format!("at most {most} an hour and camera, then summaries"),
        None => "as they come".to_owned(),
    }
}

fn siren(policy: &Policy) -> String {
    let Some(siren) = &policy.siren else { return "off".to_owned() };
    let places: Vec<&str> = siren.khu_pho.iter().map(crate::ward::Id::as_str).collect();
    let quiet =
        siren.quiet.map(|quiet| format!(", quiet {}", quiet.describe())).unwrap_or_default();
    let drills = if siren.exercise { ", drills too" } else { "" };
    let (after, longest) = (seconds(siren.after), siren.seconds_max);
    let places = places.join(", ");
    format!("{places}: {after} after the escalation, at most {longest} s{quiet}{drills}")
}

fn snapshots(store: &config::StoreConfig) -> String {
    let (most, reserve) = (store.snapshots_mb_max, store.reserve_mb);
    format!("up to {most} MiB, and while {reserve} MiB are free")
}

fn detections(mb_max: u32) -> String {
    match mb_max {
        0 => "not kept".to_owned(),
        most => format!("kept for keng tune, up to {most} MiB"),
    }
}

fn rows(camera: &CameraSettings, settings: &Settings) -> Vec<(&'static str, String)> {
    let (site, rules) = (&camera.site, &camera.rules);
    let mut all = settings.khu_pho.iter();
    let khu_pho = all.find(|khu_pho| khu_pho.id == site.khu_pho);
    let khu_pho = khu_pho.map_or_else(String::new, |khu_pho| format!(" ({})", khu_pho.name));
    let address = &site.place.address;
    let place = match &site.place.coordinates {
        Some(at) => format!("{address} ({}, {})", at.latitude, at.longitude),
        None => address.clone(),
    };
    let neighbours: Vec<&str> = site.neighbours.iter().map(crate::ward::Id::as_str).collect();
    let mut rows = vec![
        ("camera", site.id.to_string()),
        ("khu phố", format!("{}{khu_pho}", site.khu_pho)),
        ("place", place),
        ("owner", owner(camera)),
        ("stream", stream(camera)),
        ("neighbours", listed(&neighbours)),
        ("mask", mask(&camera.masks)),
    ];
    rows.extend(rules.describe());
    for zone in &rules.zones {
        let kinds: Vec<&str> = zone.rules.iter().map(|kind| kind.section()).collect();
        let corners = zone.polygon.corners().len();
        let share = zone.polygon.area() * 100.0;
        let kinds = kinds.join(", ");
        let (name, residents) = (&zone.name, residents(zone));
        let text =
            format!("{name}: {kinds}; {corners} corners, {share:.0} % of the view{residents}");
        rows.push(("zone", text));
    }
    rows
}

fn owner(camera: &CameraSettings) -> String {
    let Some(owner) = &camera.site.owner else { return "not named".to_owned() };
    match owner.consent_until {
        Some(until) => format!("{}, consent until {until}", owner.name),
        None => format!("{}, consent without an end", owner.name),
    }
}

fn stream(camera: &CameraSettings) -> String {
    let stream = &camera.stream;
    let transport = match stream.transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    };
    let user = match (&stream.username, &stream.password) {
        (Some(name), Some(_)) => format!("user {name} with a password"),
        (Some(name), None) => format!("user {name} without a password"),
        (None, _) => "no user".to_owned(),
    };
    format!("{} over {transport}, {user}", stream.url)
}

fn mask(masks: &[Polygon]) -> String {
    match masks.len() {
        0 => "none".to_owned(),
        1 => "1 polygon".to_owned(),
        count => format!("{count} polygons"),
    }
}

fn residents(zone: &Zone) -> String {
    let spans: Vec<String> = zone.residents.iter().map(ToString::to_string).collect();
    if spans.is_empty() { String::new() } else { format!("; residents' {}", spans.join(", ")) }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Two columns; the first as wide as its widest word.
fn table(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> (CheckOutcome, String, String) {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("keng.toml");
        std::fs::write(&config, text).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let outcome = run(
            &Args { config, store: false, repair: false, retry: None, forget: None },
            &mut out,
            &mut err,
        )
        .unwrap();
        (outcome, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn what_holds_for_a_camera_is_shown() {
        let text = include_str!("../../../config/example.toml")
            .replace("models/keng.onnx", "models/not-there.onnx")
            .replace("[\"loitering\"]", "[\"loitering\"]\nresidents_hours = [\"04:30-05:00\"]");
        let (outcome, out, err) = checked(&text);
        assert_eq!(outcome, CheckOutcome::Good);
        assert!(err.contains("warning: there is no model at ") && err.contains("not-there.onnx"));
        for line in [
            "ward         phuong-14 (Phường 14, quận Tân Bình), Asia/Ho_Chi_Minh",
            "teams        kp3: Tổ bảo vệ ANTT khu phố 3 (0900 000 003)",
            "escalation   180 s without an answer",
            "alerts       at most 30 an hour and camera, then summaries",
            "siren        off",
            "camera      hem-42",
            "stream      rtsp://192.0.2.15:8554/live/sub over udp, no user",
            "fire        from 0.55, for 3 s; over after 30 s; false alarms fade by half in 14 days",
            "fire        from 0.45, for 3 s; over after 30 s; false alarms fade by half in 14 days",
            "loitering   from 0.45, for 120 s, 22:00-05:00; 3 people for 60 s; visits of 600 s \
             together; over after 60 s",
            "zone        cổng trường: loitering; 4 corners, 35 % of the view; residents' \
             04:30-05:00",
        ] {
            assert!(out.contains(&format!("{line}\n")), "{line}\n{out}");
        }
    }

    #[test]
    fn every_fault_is_written_with_its_place() {
        let (outcome, out, err) = checked("[ward]\nid = \"W\"\nnaem = \"x\"\n");
        assert_eq!((outcome, out.as_str()), (CheckOutcome::Faulty, ""));
        assert!(err.contains("keng.toml:2:6: ward.id: "), "{err}");
        assert!(err.contains("keng.toml:3:1: ward.naem: unknown key: did you mean \"name\"?"));
        assert!(err.contains("2 faults in "), "{err}");
    }
}
