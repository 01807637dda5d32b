//! Links in what people say, and what the pages behind them say of themselves.

use linkify::{LinkFinder, LinkKind};
use serde::{Deserialize, Serialize};

use super::policy::redaction::Redaction;

/// Bytes of a link that is followed.
const BYTES: usize = 2_048;

/// What a page says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkPreview {
    /// The link, as it stands in the body.
    pub url: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A picture of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// The site that it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_name: Option<String>,
}

impl LinkPreview {
    /// The same without what is taken out of texts.
    #[must_use]
    pub fn redacted(self, redaction: &Redaction) -> Self {
        Self {
            title: redaction.option(self.title),
            description: redaction.option(self.description),
            site_name: redaction.option(self.site_name),
            image_url: self.image_url.filter(|url| !redaction.touches(url)),
            ..self
        }
    }
}

/// The first link to a page in a text.
pub fn first_in(text: &str) -> Option<&str> {
    if !text.contains("://") {
        return None;
    }
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]);
    let is_web = |link: &&str| {
        let scheme = link.split_once("://").map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
    };
    let links = finder.links(text).map(|link| &text[link.start()..link.end()]);
    links.filter(is_web).find(|link| link.len() <= BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_link_to_a_page_is_found() {
        for (text, link) in [
            ("Look: https://example.com/a?b=c#d, and http://example.org", Some("https://example.com/a?b=c#d")),
            ("(HTTP://Example.com/)", Some("HTTP://Example.com/")),
            ("ftp://example.com mailto:ada@example.com http://b.example", Some("http://b.example")),
            ("example.com has no scheme", None),
            ("javascript://alert(1)", None),
            ("", None),
        ] {
            assert_eq!(first_in(text), link, "{text}");
        }
        let long = format!("https://example.com/{}", "x".repeat(BYTES));
        assert_eq!(first_in(&long), None);
    }

    #[test]
    fn what_is_taken_out_of_bodies_is_taken_out_of_previews() {
        let preview = LinkPreview {
            title: Some("Call +49 89 1234567".to_owned()),
            image_url: Some("https://example.com/ada@example.com.png".to_owned()),
            ..LinkPreview::default()
        };

        let left = preview.redacted(&Redaction { phone_numbers: true, email_addresses: true });

        assert_eq!((left.title.as_deref(), left.image_url), (Some("Call •••"), None));
    }
}
