//! Sentences with gaps: `CHÁY tại {place}[, {zone}]`.
//!
//! `{name}` is filled with what is known; a part in square brackets is left out where one of its
//! gaps is empty. `{{`, `}}`, `[[` and `]]` are the characters themselves.

/// The facts that a placeholder of a template can stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placeholder {
    /// Address with the khu phố behind it, "Hẻm 42 Lê Văn Sỹ (Khu phố 3)".
    Place,
    /// The first camera's address, or where people say that it is.
    Address,
    /// The khu phố's name.
    KhuPho,
    /// The number of cameras.
    Cameras,
    /// The number of cameras that see it, as a clause: "1 camera sees".
    SeenBy,
    /// The time for which a person has stayed: "12 min".
    Dwell,
    /// The zone's name.
    Zone,
    /// The fault of the camera.
    Fault,
    /// The camera's owner.
    Owner,
    /// The note of the newest report.
    Note,
    /// The person of the newest step: took charge, was there, closed it.
    By,
    /// The time at which it was opened: "22:14".
    Since,
    /// The time from a drill's beginning until it was taken charge of.
    TakenAfter,
    /// The time from a drill's beginning until somebody was there.
    ThereAfter,
    /// The time from a drill's beginning until it was over.
    OverAfter,
    /// The number of revisions that were held back.
    HeldBack,
}

impl Placeholder {
    /// Every gap there is.
    pub const ALL: [Self; 16] = [
        Self::Place,
        Self::Address,
        Self::KhuPho,
        Self::Cameras,
        Self::SeenBy,
        Self::Dwell,
        Self::Zone,
        Self::Fault,
        Self::Owner,
        Self::Note,
        Self::By,
        Self::Since,
        Self::TakenAfter,
        Self::ThereAfter,
        Self::OverAfter,
        Self::HeldBack,
    ];

    /// Its name, as templates write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Address => "address",
            Self::KhuPho => "khu_pho",
            Self::Cameras => "cameras",
            Self::SeenBy => "seen_by",
            Self::Dwell => "dwell",
            Self::Zone => "zone",
            Self::Fault => "fault",
            Self::Owner => "owner",
            Self::Note => "note",
            Self::By => "by",
            Self::Since => "since",
            Self::TakenAfter => "taken_after",
            Self::ThereAfter => "there_after",
            Self::OverAfter => "over_after",
            Self::HeldBack => "held_back",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Gap(Placeholder),
    Maybe(Vec<Piece>),
}

/// A sentence with gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// The reason why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TemplateError {
    /// The byte of the text where it begins.
    pub at: usize,
    /// The fault in it.
    pub reason: String,
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// [`TemplateError`] says where and why it is none.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let error = |at: usize, reason: &str| TemplateError { at, reason: reason.to_owned() };
        let (mut outer, mut inner) = (Vec::new(), None::<(usize, Vec<Piece>)>);
        let mut letters = text.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            let doubled = letters.next_if(|(_, next)| *next == letter && "{}[]".contains(letter));
            let nested = inner.is_some();
            let pieces = inner.as_mut().map_or(&mut outer, |(_, pieces)| pieces);
            match letter {
                _ if doubled.is_some() => push(pieces, letter),
                '{' => {
                    let rest = &text[at + 1..];
                    let end = rest.find('}').ok_or_else(|| error(at, "'{' without its '}'"))?;
                    pieces.push(Piece::Gap(slot(at, &rest[..end])?));
                    while letters.next_if(|(next, _)| *next <= at + 1 + end).is_some() {}
                }
                '}' => return Err(error(at, "'}' without its '{'")),
                '[' if nested => return Err(error(at, "'[' within '['")),
                '[' => inner = Some((at, Vec::new())),
                ']' => match inner.take() {
                    Some((_, pieces)) => outer.push(Piece::Maybe(pieces)),
                    None => return Err(error(at, "']' without its '['")),
                },
                letter => push(pieces, letter),
            }
        }
        match inner {
            Some((at, _)) => Err(error(at, "'[' without its ']'")),
            None => Ok(Self(outer)),
        }
    }

    /// The sentence, its gaps filled.
    pub fn fill(&self, with: &dyn Fn(Placeholder) -> String) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            let filled = |piece: &Piece| match piece {
                Piece::Text(text) => Some(text.clone()),
                Piece::Gap(slot) => Some(with(*slot)).filter(|text| !text.is_empty()),
                Piece::Maybe(_) => None,
            };
            match piece {
                // All of it, or nothing.
                Piece::Maybe(pieces) => {
                    let all: Option<String> = pieces.iter().map(filled).collect();
                    text.push_str(&all.unwrap_or_default());
                }
                piece => text.push_str(&filled(piece).unwrap_or_default()),
            }
        }
        text
    }
}

fn push(pieces: &mut Vec<Piece>, letter: char) {
    match pieces.last_mut() {
        Some(Piece::Text(text)) => text.push(letter),
        _ => pieces.push(Piece::Text(letter.to_string())),
    }
}

fn slot(at: usize, name: &str) -> Result<Placeholder, TemplateError> {
    let known = Placeholder::ALL.into_iter().find(|slot| slot.as_str() == name);
    known.ok_or_else(|| {
        let names = Placeholder::ALL.map(Placeholder::as_str).join(", ");
        let reason = format!("{{{name:.40}}} is not known; there are {names}");
        TemplateError { at, reason }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(text: &str) -> String {
        Template::parse(text).unwrap().fill(&|slot| match slot {
            Placeholder::Zone => String::new(),
            slot => format!("<{}>", slot.as_str()),
        })
    }

    #[test]
    fn gaps_are_filled_and_empty_parts_left_out() {
        assert_eq!(filled("CHÁY tại {place}, {cameras}"), "CHÁY tại <place>, <cameras>");
        assert_eq!(filled("a[, {zone}][: {note}]."), "a: <note>.");
        assert_eq!(filled("a{zone}b[{zone} {note}]"), "ab");
        assert_eq!(filled("{{place}} [[x]] á"), "{place} [x] á");
        assert_eq!(filled(""), "");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, at, reason) in [
            ("á {plcae}", 3, "{plcae} is not known; there are place"),
            ("x {place", 2, "without its '}'"),
            ("x }", 2, "'}' without"),
            ("x [y", 2, "without its ']'"),
            ("[a [b]]", 3, "within"),
            ("]", 0, "']' without"),
            ("{}", 0, "{} is not known"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert!(error.at == at && error.reason.contains(reason), "{text}: {error:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[{}\\[\\]a-zá,]{0,40}") {
            if let Ok(template) = Template::parse(&text) {
                drop(template.fill(&|slot| slot.as_str().to_owned()));
            }
        }
    }
}
