//! The ward: 200 cameras in 8 khu phố, two by two at 100 crossings.

use std::path::Path;

use keng::config;
use keng::pipeline::Watched;
use keng::time::Wall;

pub(crate) const KHU_PHO: usize = 8;
pub(crate) const CAMERAS: usize = 200;
pub(crate) const CAMERAS_A_KHU_PHO: usize = CAMERAS / KHU_PHO;

/// The camera's id.
pub(crate) fn name(camera: usize) -> String {
    format!("cam-{camera:03}")
}

/// The khu phố's id.
pub(crate) fn khu_pho(camera: usize) -> String {
    format!("kp{}", camera / CAMERAS_A_KHU_PHO + 1)
}

/// The other camera of the crossing.
pub(crate) fn partner(camera: usize) -> usize {
    camera ^ 1
}

/// All cameras with the rules that are delivered.
pub(crate) fn watched() -> Vec<Watched> {
    use std::fmt::Write as _;
    let mut text = String::from("[ward]\nid = \"phuong\"\ntimezone = \"Asia/Ho_Chi_Minh\"\n");
    for number in 1..=KHU_PHO {
        write!(text, "[[khu_pho]]\nid = \"kp{number}\"\n").unwrap();
    }
    for camera in 0..CAMERAS {
        // Crossings lie 150 m apart, the two cameras of one 30 m.
        let crossing = camera / 2;
        let (east, north) = ((crossing % 10) as f64 * 150.0, (crossing / 10) as f64 * 150.0);
        let latitude = 10.79 + (north + (camera % 2) as f64 * 30.0) / 111_195.0;
        let longitude = 106.66 + east / 109_200.0;
        write!(
            text,
            "[[camera]]\nid = \"{}\"\nkhu_pho = \"{}\"\nurl = \"rtsp://192.0.2.1/{camera}\"\n\
             place = {{ address = \"-\", latitude = {latitude}, longitude = {longitude} }}\n",
            name(camera),
            khu_pho(camera),
        )
        .unwrap();
    }
    let around = config::Surroundings {
        file: Path::new("ward.toml"),
        base_dir: Path::new("."),
        binary_dir: None,
        env: &|_| None,
        now: Wall(0),
    };
    let loaded = config::parse(&text, &around).unwrap_or_else(|faults| panic!("{faults}"));
    let watched =
        |camera: config::CameraSettings| Watched { site: camera.site, rules: camera.rules };
    loaded.settings.cameras.into_iter().map(watched).collect()
}
