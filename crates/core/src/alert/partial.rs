//! An alert as somebody may see it who may not see all of its cameras.

use serde_json::Value;

use super::ParseError;

/// The alert without the cameras that are not `theirs`; what these name is left out of its message
/// as well, where `is_known` holds for them: of a camera that nobody knows any more it is not
/// certain whose place it is.
///
/// # Errors
/// [`ParseError`] where the bytes are no alert.
pub fn without_cameras(
    bytes: &[u8],
    theirs: impl Fn(&str) -> bool,
    is_known: impl Fn(&str) -> bool,
) -> Result<String, ParseError> {
    let mut alert: Value = serde_json::from_slice(bytes)?;
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut message = text(&alert, "message");
    let cameras = alert.get_mut("cameras").and_then(Value::as_array_mut);
    let cameras = cameras.ok_or_else(|| super::wrong("cameras", "no list"))?;
    for others in cameras.extract_if(.., |seen| !seen["id"].as_str().is_some_and(&theirs)) {
        // Its words name a place too, though hardly ever another khu phố's.
        let id = text(&others, "id");
        if is_known(&id) {
            let places = [text(&others, "address"), id];
            let places = places.iter().filter(|place| !place.is_empty());
            message = places.fold(message, |words, place| words.replace(place.as_str(), "…"));
        }
    }
    alert["message"] = message.into();
    Ok(alert.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cameras_that_are_not_theirs_are_left_out_and_not_named() {
        let alert = r#"{"message":"CHÁY tại Hẻm 42, hem-42, Cũ","state":"open","cameras":[
            {"id":"hem-42","address":"Hẻm 42"},{"id":"cho","address":"Chợ"},
            {"id":"cu","address":"Cũ"}]}"#;
        let theirs = |id: &str| id == "cho";
        let seen = without_cameras(alert.as_bytes(), theirs, |id| id != "cu").unwrap();
        let seen: Value = serde_json::from_str(&seen).unwrap();
        assert_eq!(seen["message"], "CHÁY tại …, …, Cũ");
        assert_eq!(seen["cameras"], serde_json::json!([{ "id": "cho", "address": "Chợ" }]));
        assert_eq!(seen["state"], "open");
    }

    #[test]
    fn what_is_no_alert_is_refused() {
        for bad in ["", "gong", "{}", r#"{"cameras":7}"#] {
            assert!(without_cameras(bad.as_bytes(), |_| true, |_| true).is_err(), "{bad}");
        }
    }
}
