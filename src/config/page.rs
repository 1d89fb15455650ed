//! `[web]`: where the page is served, and how nobody on the way can read along.

use std::net::IpAddr;

use super::reader::Item;
use super::reader::Section;
use super::surroundings::Surroundings;
use super::values;
use crate::push;
use crate::push::Service;
use crate::web;
use crate::web::Tiles;

/// More are a mistake.
const PROXIES_MAX: usize = 16;
/// Each is a reader of the log.
const SERVICES_MAX: usize = 16;
const CONTACT_BYTES_MAX: usize = 200;

/// Returns what holds without `[web]`.
pub(super) fn defaults() -> web::Config {
    web::Config::new(([127, 0, 0, 1], 8080).into())
}

/// `[web]`. What stands in its files, and that others are served only where there are users, is
/// seen to at the start, and by `keng check`.
pub(super) fn read(root: &Section<'_>, around: &Surroundings<'_>) -> web::Config {
    let mut config = defaults();
    let Some(section) = root.section("web") else { return config };
    let listen = section.item("listen");
    if let Some(address) = listen.as_ref().and_then(values::listen) {
        config.listen = address;
    }
    config.tls = match (section.item("certificate"), section.item("key")) {
        (Some(certificate), Some(key)) => {
            values::path(&certificate, around).zip(values::path(&key, around))
        }
        (Some(lone), None) => {
            lone.absence("a certificate without its key", "give certificate and key, both PEM");
            None
        }
        (None, Some(lone)) => {
            lone.absence("a key without a certificate", "give certificate and key, both PEM");
            None
        }
        (None, None) => None,
    };
    let behind_proxy = section.item("behind_proxy").and_then(|item| item.boolean());
    config.behind_proxy = behind_proxy.unwrap_or(false);
    if let Some(item) = section.item("proxies") {
        config.proxies = proxies(&item);
        if !config.behind_proxy {
            item.warning("not used without behind_proxy = true", "set it, or take this out");
        }
    }
    config.push = push(&section, around);
    config.tiles = tiles(&section, config.behind_proxy || config.tls.is_some());
    if let Some(listen) = listen.filter(|_| !config.is_sealed()) {
        let remedy = "give certificate and key, set behind_proxy = true where a proxy sees to \
                      TLS, or listen on 127.0.0.1 and reach it by an SSH tunnel";
        listen.absence("without TLS everybody on the way reads passwords and pictures", remedy);
    }
    section.finish();
    config
}

/// Returns whose map is drawn; `sealed`: the page is served over TLS.
fn tiles(section: &Section<'_>, sealed: bool) -> Option<Tiles> {
    let (item, thanks) = (section.item("tiles"), section.item("tiles_credit"));
    let credit = thanks.as_ref().and_then(|thanks| thanks.text());
    let Some(item) = item else {
        if let Some(thanks) = thanks {
            thanks.warning("not used without tiles", "give tiles, or take this out");
        }
        return None;
    };
    let text = item.text()?;
    if sealed && text.starts_with("http://") {
        let remedy = "give an https:// address: browsers may refuse the others in such a page";
        item.warning("pictures without TLS in a page with TLS", remedy);
    }
    let tiles = Tiles::new(text, credit.unwrap_or_default());
    if let Err(error) = &tiles {
        let remedy = "give an address such as \"https://tiles.ward.example/{z}/{x}/{y}.png\"";
        item.fault(format!("{text:?} {error}"), remedy);
    }
    tiles.ok()
}

/// Returns what browsers' makers are asked to pass on; none unless it was turned on.
fn push(section: &Section<'_>, around: &Surroundings<'_>) -> Option<push::Config> {
    let turned_on = section.item("push");
    let is_on = turned_on.as_ref().and_then(|item| item.boolean()).unwrap_or(false);
    let contact = section.item("push_contact");
    let said = contact.as_ref().and_then(push_contact);
    let services = match section.item("push_services") {
        Some(item) => push_services(&item),
        None => push::USUAL.iter().filter_map(|usual| usual.parse().ok()).collect(),
    };
    let ca_file = section.item("push_ca_file");
    let ca_file = ca_file.and_then(|item| values::path(&item, around));
    let turned_on = turned_on.filter(|_| is_on)?;
    if contact.is_none() {
        let remedy =
            "give push_contact = \"mailto:…\": push services want to know whom to write to";
        turned_on.absence("push without push_contact", remedy);
    }
    Some(push::Config { contact: said?, services, ca_file })
}

fn push_contact(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    let mail = text.strip_prefix("mailto:").is_some_and(|address| address.contains('@'));
    let fits = (mail || text.starts_with("https://")) && text.len() <= CONTACT_BYTES_MAX;
    if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(text.to_owned());
    }
    item.fault(format!("{text:?} is no contact"), "give mailto:somebody@… or an https:// address");
    None
}

fn push_services(item: &Item<'_>) -> Vec<Service> {
    let items = item.items().unwrap_or_default();
    if items.is_empty() || items.len() > SERVICES_MAX {
        item.fault(
            format!("{} push services", items.len()),
            "name 1 to 16, or leave this out for those of the usual browsers",
        );
        return Vec::new();
    }
    let read = |item: &Item<'_>| {
        let text = item.text()?;
        let service = text.parse();
        if let Err(error) = &service {
            let remedy = "give a host such as \"fcm.googleapis.com\", \"*.push.apple.com\"";
            item.fault(format!("{text:?} {error}"), remedy);
        }
        service.ok()
    };
    items.iter().filter_map(read).collect()
}

fn proxies(item: &Item<'_>) -> Vec<IpAddr> {
    let items = item.items().unwrap_or_default();
    if items.len() > PROXIES_MAX {
        item.fault(format!("over {PROXIES_MAX} proxies"), "name those alone that reach the page");
        return Vec::new();
    }
    let read = |item: &Item<'_>| {
        let text = item.text()?;
        let address = text.parse().ok();
        if address.is_none() {
            let message = format!("{text:?} is no address");
            item.fault(message, "give an address such as \"192.0.2.7\", without a port");
        }
        address
    };
    items.iter().filter_map(read).collect()
}
