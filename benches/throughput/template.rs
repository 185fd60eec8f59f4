//! Bodies of events: JSON as Stripe prints it, with names in braces where a sale's own values stand.

/// A text cut at its names.
#[derive(Debug)]
pub struct Template {
    /// Text, and the name that follows it.
    pieces: Vec<(&'static str, Option<&'static str>)>,
}

impl Template {
    /// Cuts a text at every `{name}` of small letters; all other braces are JSON's.
    pub fn new(text: &'static str) -> Self {
        let (mut pieces, mut rest, mut from) = (Vec::new(), text, 0);
        while let Some(found) = rest[from..].find('{') {
            let open = from + found;
            let name = &rest[open + 1..];
            let end = name.find(|letter: char| !letter.is_ascii_lowercase()).unwrap_or(0);
            if end > 0 && name[end..].starts_with('}') {
                pieces.push((&rest[..open], Some(&name[..end])));
                (rest, from) = (&name[end + 1..], 0);
            } else {
                from = open + 1;
            }
        }
        pieces.push((rest, None));
        Self { pieces }
    }

    /// The text with these values.
    pub fn fill(&self, values: &[(&str, &str)]) -> String {
        let mut filled = String::with_capacity(8_192);
        for (text, name) in &self.pieces {
            filled.push_str(text);
            let Some(name) = name else { continue };
            let value = values.iter().find(|(of, _)| of == name);
            filled.push_str(value.unwrap_or_else(|| panic!("nothing stands for {{{name}}}")).1);
        }
        filled
    }
}
