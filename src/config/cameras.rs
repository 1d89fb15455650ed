//! `[[camera]]`.

use crate::camera;
use crate::camera::Transport;
use crate::geometry::Polygon;
use crate::rule;
use crate::time::Wall;
use crate::ward::Coordinates;
use crate::ward::Id;
use crate::ward::KhuPho;
use crate::ward::Owner;
use crate::ward::Site;
use crate::ward::Ward;

use super::reader::Item;
use super::reader::Section;
use super::rules;
use super::settings::CameraSettings;
use super::surroundings::Surroundings;
use super::unique_ids::UniqueIds;
use super::values;

/// The rest of the file, as far as cameras need it.
pub(super) struct Surrounding<'a> {
    pub(super) around: &'a Surroundings<'a>,
    pub(super) ward: Option<&'a Ward>,
    pub(super) coordinates: Option<Coordinates>,
    pub(super) khu_pho: &'a [KhuPho],
    pub(super) rules: &'a rule::Config,
}

/// Every `[[camera]]` that could be read.
pub(super) fn read(root: &Section<'_>, rest: &Surrounding<'_>) -> Vec<CameraSettings> {
    let mut seen = UniqueIds::default();
    let mut cameras = Vec::new();
    let mut pending = Vec::new();
    for section in root.sections("camera") {
        let id = section.required("id", "the third level of its topics, such as \"hem-42\"");
        let id = id.and_then(|item| seen.unique_id(&item));
        if let Some(id) = &id {
            pending.extend(neighbours(&section, id));
        } else {
            section.item("neighbours");
        }
        cameras.extend(one(&section, id, rest));
        section.finish();
    }
    for (item, from, to) in pending {
        if !seen.has(&to) {
            item.absence(format!("no camera has the id {to}"), "add it, or correct the id");
        } else if let Some(camera) = cameras.iter_mut().find(|camera| camera.site.id == from)
            && !camera.site.neighbours.contains(&to)
        {
            camera.site.neighbours.push(to);
        }
    }
    cameras
}

fn one(section: &Section<'_>, id: Option<Id>, rest: &Surrounding<'_>) -> Option<CameraSettings> {
    let khu_pho = khu_pho(section, rest.khu_pho);
    let example = "rtsp://192.0.2.14/stream2";
    let url = section.required("url", &format!("add url = {example:?}"));
    let url = url.and_then(|item| values::url(&item, &["rtsp"], example));
    let words = [("tcp", Transport::Tcp), ("udp", Transport::Udp)];
    let transport = section.item("transport").and_then(|item| item.word(&words));
    let (username, password) = values::credentials(section, rest.around);
    let place = values::place(section);
    let owner = owner(section, rest);
    let masks = masks(section);
    let mut rules = rules::read(section, rest.rules.clone(), rest.coordinates);
    rules.zones = rules::zones(section);
    let (id, khu_pho, url, place) = (id?, khu_pho?, url?, place?);
    Some(CameraSettings {
        stream: camera::Config {
            id: id.clone(),
            url,
            username,
            password,
            transport: transport.unwrap_or_default(),
        },
        site: Site { id, khu_pho, place, owner, neighbours: Vec::new() },
        masks,
        rules,
    })
}

fn khu_pho(section: &Section<'_>, known: &[KhuPho]) -> Option<Id> {
    let item = section.required("khu_pho", "name the neighbourhood whose team gets its alerts")?;
    let id = values::id(&item)?;
    if known.iter().any(|khu_pho| khu_pho.id == id) {
        return Some(id);
    }
    let names: Vec<&str> = known.iter().map(|khu_pho| khu_pho.id.as_str()).collect();
    let remedy = match names.as_slice() {
        [] => format!("add [[khu_pho]] with id = \"{id}\""),
        _ => format!("add [[khu_pho]] with id = \"{id}\", or give one of {}", names.join(", ")),
    };
    item.absence(format!("there is no khu_pho {id}"), &remedy);
    None
}

/// Neighbours as they are named; whether they are there is known when all cameras are read.
fn neighbours<'a>(section: &Section<'a>, from: &Id) -> Vec<(Item<'a>, Id, Id)> {
    let items = section.item("neighbours").and_then(|item| item.items()).unwrap_or_default();
    let mut found = Vec::new();
    for item in items {
        let Some(to) = values::id(&item) else { continue };
        if to == *from {
            item.fault("a camera is not its own neighbour", "take it out");
        } else {
            found.push((item, from.clone(), to));
        }
    }
    found
}

fn owner(section: &Section<'_>, rest: &Surrounding<'_>) -> Option<Owner> {
    let owner = section.section("owner")?;
    let name = owner.required("name", "say who gave the camera").and_then(|item| item.text());
    let consent = owner.item("consent_until");
    let consent_until = consent.as_ref().and_then(Item::date);
    if let (Some(item), Some(until), Some(ward)) = (&consent, consent_until, rest.ward)
        && expired(until, ward, rest.around.now)
    {
        let remedy = "it is not watched any more: ask the owner again, or take the camera out";
        item.warning(format!("the consent ended on {until}"), remedy);
    }
    owner.finish();
    Some(Owner { name: name?.to_owned(), consent_until })
}

/// Tells whether the last day of consent is over in the ward.
pub(super) fn expired(until: jiff::civil::Date, ward: &Ward, now: Wall) -> bool {
    now.to_jiff().to_zoned(ward.timezone.clone()).date() > until
}

fn masks(section: &Section<'_>) -> Vec<Polygon> {
    let Some(item) = section.item("mask") else { return Vec::new() };
    let outlines = item.items().unwrap_or_default();
    if outlines.len() > rules::AREAS_MAX {
        item.fault(format!("has {} polygons", outlines.len()), "give at most 32");
    }
    outlines.iter().filter_map(values::polygon).collect()
}
