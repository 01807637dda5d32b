//! What a page says of itself in its head: Open Graph, cards, or just its title.

use std::{collections::HashMap, net::IpAddr};

use encoding_rs::{Encoding, UTF_8};
use html5gum::{DefaultEmitter, HtmlString, StartTag, Token, Tokenizer};
use reqwest::Url;

use crate::domain::{link::LinkPreview, network};

/// Bytes in which a page may say how it is encoded.
const ENCODING_WITHIN: usize = 1_024;
/// Characters kept of a title.
const TITLE_CHARACTERS: usize = 300;
/// Characters kept of a description.
const DESCRIPTION_CHARACTERS: usize = 1_000;
/// Bytes of a URL of a picture.
const URL_BYTES: usize = 2_048;

/// Where each thing may be said, the best place first.
const TITLE: [&str; 3] = ["og:title", "twitter:title", "title"];
const DESCRIPTION: [&str; 3] = ["og:description", "twitter:description", "description"];
const IMAGE: [&str; 5] = ["og:image:secure_url", "og:image", "og:image:url", "twitter:image", "twitter:image:src"];
const SITE: [&str; 2] = ["og:site_name", "application-name"];

/// Reads a page that came with this content type from this URL; nothing where it says nothing of itself.
pub fn read(bytes: &[u8], content_type: &str, url: &Url) -> Option<LinkPreview> {
    let (text, ..) = encoding(bytes, content_type).decode(bytes);
    let said = head(&text);
    let find = |places: &[&str], most| places.iter().find_map(|place| clean(said.get(*place)?, most));
    let preview = LinkPreview {
        url: String::new(),
        title: find(&TITLE, TITLE_CHARACTERS),
        description: find(&DESCRIPTION, DESCRIPTION_CHARACTERS),
        image_url: IMAGE.iter().find_map(|place| picture(said.get(*place)?, url)),
        site_name: find(&SITE, TITLE_CHARACTERS),
    };
    let is_something = preview.title.is_some() || preview.description.is_some() || preview.image_url.is_some();
    is_something.then_some(preview)
}

/// How a page is encoded: as it was sent, as it says itself, or as pages are today.
fn encoding(bytes: &[u8], content_type: &str) -> &'static Encoding {
    let named = |text: &str| {
        let (_, rest) = text.split_once("charset=")?;
        let label = rest.trim_start_matches(['"', '\'']);
        let end = label.find(|sign: char| matches!(sign, '"' | '\'' | ';' | '>' | '/') || sign.is_whitespace());
        Encoding::for_label(&label.as_bytes()[..end.unwrap_or(label.len())])
    };
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(ENCODING_WITHIN)]);
    let found = named(&content_type.to_ascii_lowercase()).or_else(|| named(&start.to_ascii_lowercase()));
    found.unwrap_or(UTF_8)
}

/// Everything that the head says, by its name; of several the first.
fn head(text: &str) -> HashMap<String, String> {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut said = HashMap::new();
    let mut title: Option<String> = None;
    for Ok(token) in Tokenizer::new_with_emitter(text, emitter) {
        match token {
            Token::StartTag(tag) if &**tag.name == b"body" => break,
            Token::StartTag(tag) if &**tag.name == b"title" => title = Some(String::new()),
            Token::StartTag(tag) if &**tag.name == b"meta" => {
                if let Some((name, content)) = meta(&tag) {
                    said.entry(name).or_insert(content);
                }
            }
            Token::String(text) => {
                if let Some(title) = &mut title {
                    title.push_str(&string(&text.value));
                }
            }
            Token::EndTag(tag) if &**tag.name == b"title" => {
                if let Some(title) = title.take() {
                    said.entry("title".to_owned()).or_insert(title);
                }
            }
            _ => {}
        }
    }
    said
}

fn meta(tag: &StartTag<()>) -> Option<(String, String)> {
    let attribute = |name: &[u8]| tag.attributes.get(name).map(|value| string(&value.value));
    let name = attribute(b"property").or_else(|| attribute(b"name"))?.trim().to_ascii_lowercase();
    // A page's own title has its own element.
    (name != "title").then_some((name, attribute(b"content")?))
}

fn string(text: &HtmlString) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// One line of text that can be shown anywhere, and no longer than it may be.
fn clean(text: &str, most: usize) -> Option<String> {
    let turns_text = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ").replace(turns_text, "");
    let line: String = line.chars().take(most).collect();
    (!line.is_empty()).then_some(line)
}

/// The URL of a picture, unless it leads where no page of the Internet has pictures.
fn picture(place: &str, page: &Url) -> Option<String> {
    let url = page.join(place.trim()).ok()?;
    let host = url.host_str()?;
    let is_inside = |address: IpAddr| !network::is_public(address);
    let is_fit = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.as_str().len() <= URL_BYTES
        && !host.trim_matches(['[', ']']).parse().is_ok_and(is_inside);
    is_fit.then(|| url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(page: &str) -> Option<LinkPreview> {
        read(page.as_bytes(), "text/html", &"https://example.com/news/1".parse().unwrap())
    }

    #[test]
    fn what_is_said_for_previews_goes_before_what_is_said_for_windows() {
        let preview = said(
            "<!doctype html><html><head><title>Window</title>
             <meta name=description content='For engines'>
             <meta property='og:title' content='Tom &amp; Jerry'><meta property=\"og:title\" content=\"Second\">
             <META NAME='twitter:description' CONTENT='For\n   cards'>
             <meta property=og:image content='../a b.png'>
             <meta property='og:site_name' content='Example'/></head><body>",
        );

        let preview = preview.unwrap();
        assert_eq!(preview.title.as_deref(), Some("Tom & Jerry"));
        assert_eq!(preview.description.as_deref(), Some("For cards"));
        assert_eq!(preview.image_url.as_deref(), Some("https://example.com/a%20b.png"));
        assert_eq!(preview.site_name.as_deref(), Some("Example"));
    }

    #[test]
    fn a_title_will_do_and_nothing_is_taken_from_scripts_comments_or_the_body() {
        let title = |page| said(page).and_then(|preview| preview.title);

        assert_eq!(title("<title>\n Hello,\u{202e} <b>world</b>\n</title>").as_deref(), Some("Hello, <b>world</b>"));
        assert_eq!(
            title("<script>'<title>No</title>'</script><style><title>No</title></style><!-- <title>No</title> -->"),
            None
        );
        assert_eq!(title("<body><title>No</title><meta property='og:title' content='No'>"), None);
        assert_eq!(title("<meta name=title content=No>"), None);
        assert_eq!(title("<title>  </title>"), None);
        assert_eq!(title("<title>cut off"), None);
        let long = format!("<title>{}</title>", "ü".repeat(TITLE_CHARACTERS + 1));
        assert_eq!(title(&long).map(|title| title.chars().count()), Some(TITLE_CHARACTERS));
    }

    #[test]
    fn pictures_lead_to_pages_only() {
        let image = |place: &str| said(&format!("<meta property=og:image content='{place}'>"))?.image_url;

        assert_eq!(image("//cdn.example.com/a.png").as_deref(), Some("https://cdn.example.com/a.png"));
        for place in [
            "javascript:alert(1)",
            "data:image/png;base64,AAAA",
            "file:///etc/passwd",
            "http://192.168.0.1/a.png",
            "http://[::1]/a.png",
            "https://ada:secret@example.com/a.png",
        ] {
            assert_eq!(image(place), None, "{place}");
        }
    }

    #[test]
    fn old_pages_are_read_as_they_are_encoded() {
        let url: Url = "https://example.com/".parse().unwrap();
        let title = |bytes: &[u8], content_type| read(bytes, content_type, &url).and_then(|preview| preview.title);

        assert_eq!(title(b"<title>M\xfcnchen</title>", "text/html; charset=ISO-8859-1").as_deref(), Some("München"));
        let named = b"<meta charset=\"windows-1251\"><title>\xcc\xee\xf1\xea\xe2\xe0</title>";
        assert_eq!(title(named, "text/html").as_deref(), Some("Москва"));
        assert_eq!(title("<title>Zürich</title>".as_bytes(), "text/html").as_deref(), Some("Zürich"));
    }
}
