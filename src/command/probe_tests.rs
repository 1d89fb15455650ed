//! The probe's arithmetic and texts, without a camera.

use clap::Parser;

use super::*;
use crate::time::Mono;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn args(line: &[&str]) -> Args {
    Cli::parse_from([&["probe"], line].concat()).args
}

fn samples(count: u32, camera_step_us: i64, our_step_us: u64) -> Vec<Sample> {
    (0..count)
        .map(|n| Sample {
            received: Stamp { mono: Mono(u64::from(n) * our_step_us), ..Stamp::default() },
            media_time_us: i64::from(n) * camera_step_us,
            key: n % 50 == 3,
            bytes: 10_000,
            lost: u32::from(n == 0 || n == 7),
        })
        .collect()
}

#[test]
fn figures_of_a_steady_stream() {
    let figures = Figures::of(&samples(251, 40_000, 40_000));
    assert!((figures.fps - 25.0).abs() < 1e-9);
    assert!((figures.bits_per_s - 2e6).abs() < 1e-3);
    assert_eq!(figures.key_interval, Some((2.0, 50.0)));
    assert_eq!(figures.lost, 1);
    assert!(figures.rate_skew_percent.unwrap().abs() < 1e-9);
}

#[test]
fn a_clock_that_runs_fast_and_a_burst_at_the_beginning() {
    let mut samples = samples(251, 40_400, 40_000);
    for sample in &mut samples[..20] {
        sample.received.mono = Mono(0);
    }
    let figures = Figures::of(&samples);
    assert!((figures.rate_skew_percent.unwrap() - 1.0).abs() < 1e-6, "{figures:?}");
    assert!((figures.fps - 25.0).abs() < 1e-9);
}

#[test]
fn few_packets_make_no_figures_but_no_panic() {
    for count in 0..3 {
        let figures = Figures::of(&samples(count, 40_000, 40_000));
        assert_eq!(figures.rate_skew_percent, None);
        assert!(figures.fps.is_finite());
    }
}

#[test]
fn credentials_leave_the_url() {
    let args = args(&["rtsp://viewer:p%40ss@192.0.2.14/stream2"]);
    assert!(!format!("{args:?}").contains("p%40ss"));
    let (config, variable) = target(&args, |_| None).unwrap();
    assert_eq!(config.url.as_str(), "rtsp://192.0.2.14/stream2");
    assert_eq!(config.username.as_deref(), Some("viewer"));
    assert_eq!(config.password.as_ref().unwrap().reveal(), "p@ss");
    assert_eq!(variable, "KENG_CAM_192_0_2_14");

    let mut text = Vec::new();
    write_block(&mut text, &config, &variable).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("p@ss") && !text.contains("p%40ss"), "{text}");
    let parsed: toml::Table = toml::from_str(&text).unwrap();
    let camera = &parsed["camera"][0];
    assert_eq!(camera["id"].as_str(), Some("192-0-2-14"));
    assert_eq!(camera["username"].as_str(), Some("viewer"));
    assert_eq!(camera["password"]["env"].as_str(), Some("KENG_CAM_192_0_2_14"));
}

#[test]
fn the_password_may_come_from_the_environment() {
    let args = args(&["rtsp://cam.local/a", "--username", "u", "--password-env", "CAM_PW"]);
    assert!(matches!(target(&args, |_| None), Err(Error::Environment(name)) if name == "CAM_PW"));
    let (config, variable) = target(&args, |_| Some("x".into())).unwrap();
    assert_eq!(config.id.as_str(), "cam-local");
    assert_eq!(config.password.unwrap().reveal(), "x");
    assert_eq!(variable, "CAM_PW");
}

#[test]
fn other_urls_are_refused_without_repeating_them() {
    for url in ["http://u:hunter2@h/", "rtsp:///path", "hunter2", "rtsp://u:hunter2@"] {
        let error = target(&args(&[url]), |_| None).unwrap_err();
        assert!(matches!(error, Error::Url(_)), "{url}");
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[test]
fn hosts_become_ids() {
    assert_eq!(id_from_host("[2001:db8::1]").as_str(), "2001-db8-1");
    assert_eq!(id_from_host("status").as_str(), "cam-status");
    assert_eq!(id_from_host("---").as_str(), "cam-");
    assert_eq!(percent_decoded("a%2fb%zz%4"), "a/b%zz%4");
}
