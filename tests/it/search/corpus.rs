//! Eight languages and more: what is found, what is not, and what is marked.

use super::{marked, searches, settled};
use crate::harness::server::TestServer;

/// A language, what was said in it, and lines with what they mark: nothing where they find nothing.
type Language = (&'static str, &'static [&'static str], &'static [(&'static str, &'static [&'static [&'static str]])]);

/// Lines find the same messages in whatever order; each hit is given by what is marked in it.
const CORPUS: [Language; 11] = [
    (
        "English",
        &[
            "She was running late, as runners do.",
            "Meet me at the Café at 10:30",
            "Don't worry: it's a well-known issue",
        ],
        &[
            ("run", &[&["running"]]),
            ("running LATE", &[&["running", "late"]]),
            ("\"running late\"", &[&["running late"]]),
            ("\"late running\"", &[]),
            ("\"run\"", &[]),
            ("run*", &[&["running", "runners"]]),
            ("issues", &[&["issue"]]),
            ("cafe", &[&["Café"]]),
            ("10:30", &[&["10:30"]]),
            ("don't", &[&["Don't"]]),
            ("well-known", &[&["well-known"]]),
            ("worry -issue", &[]),
            ("runway", &[]),
        ],
    ),
    (
        "German",
        &["Die Straße ist gesperrt, größere Umwege sind nötig", "Fußgänger dürfen weiter"],
        &[
            ("strasse", &[&["Straße"]]),
            ("GRÖSSERE", &[&["größere"]]),
            ("fussg*", &[&["Fußgänger"]]),
            ("durfen", &[&["dürfen"]]),
            ("gang", &[]),
        ],
    ),
    (
        "French",
        &["L'élève a déjà mangé à l'école", "Où est passé le garçon ?"],
        &[("eleve", &[&["élève"]]), ("ecole deja", &[&["déjà", "école"]]), ("garcon", &[&["garçon"]]), ("mangue", &[])],
    ),
    (
        "Vietnamese",
        &["Tôi muốn ăn phở ở Đà Nẵng"],
        &[("pho", &[&["phở"]]), ("da nang", &[&["Đà", "Nẵng"]]), ("\"đà nẵng\"", &[&["Đà Nẵng"]]), ("hue", &[])],
    ),
    (
        "Russian",
        &["Ещё одна ёлка в лесу", "Привет, как дела?"],
        &[("елка", &[&["ёлка"]]), ("ПРИВЕТ", &[&["Привет"]]), ("прив*", &[&["Привет"]]), ("лето", &[])],
    ),
    (
        "Greek",
        &["Ο Οδυσσέας γύρισε στην Ιθάκη"],
        &[("ΟΔΥΣΣΕΑΣ", &[&["Οδυσσέας"]]), ("ιθακη", &[&["Ιθάκη"]]), ("τροία", &[])],
    ),
    ("Arabic", &["مرحبا يا أحمد، كيف الحال؟"], &[("احمد", &[&["أحمد"]]), ("مَرحَبا", &[&["مرحبا"]]), ("سلام", &[])]),
    ("Hindi", &["नमस्ते, आप कैसे हैं?"], &[("नमस्ते", &[&["नमस्ते"]]), ("कैसे", &[&["कैसे"]]), ("कैसा", &[])]),
    (
        "Chinese",
        &["我昨天在北京吃了烤鸭", "上海的天气很好"],
        &[
            ("北京", &[&["北京"]]),
            ("烤鸭 北京", &[&["北京", "烤鸭"]]),
            ("在北京吃", &[&["在北京吃"]]),
            ("鸭", &[&["鸭"]]),
            ("京北", &[]),
            ("天气", &[&["天气"]]),
            ("北京 -烤鸭", &[]),
        ],
    ),
    (
        "Japanese",
        &["東京大学で日本語を勉強しています", "ｶﾒﾗを買いました"],
        &[
            ("東京", &[&["東京"]]),
            ("日本語", &[&["日本語"]]),
            ("カメラ", &[&["ｶﾒﾗ"]]),
            ("勉強", &[&["勉強"]]),
            ("京都", &[]),
        ],
    ),
    (
        "Korean and Thai",
        &["나는 학교에서 한국어를 공부했다", "วันนี้ฉันไปตลาดกับแม่"],
        &[
            ("학교", &[&["학교"]]),
            ("한국어 공부", &[&["한국어", "공부"]]),
            ("교학", &[]),
            ("ตลาด", &[&["ตลาด"]]),
            ("ฉันไป", &[&["ฉันไป"]]),
            ("ทะเล", &[]),
        ],
    ),
];

#[tokio::test]
async fn every_language_is_found_as_its_people_write_it() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    for body in CORPUS.iter().flat_map(|(_, bodies, _)| *bodies) {
        ada.says(&group, body).await;
    }
    settled(&server).await;

    for (language, _, lines) in CORPUS {
        for (line, expected) in lines {
            let found = searches(&ada, line).await;

            let mut marks: Vec<_> = found["items"].as_array().expect("a page has items").iter().map(marked).collect();
            marks.sort();
            assert_eq!(marks, *expected, "{language}: {line} finds {found:#}");
        }
    }
}

#[tokio::test]
async fn a_hit_is_the_message_with_its_rank_and_what_is_marked_in_it() {
    let server = TestServer::start().await;
    let [ada, bob] = server.people(["ada", "bob"]).await;
    let group = ada.opens_group_with([&bob]).await;
    let said = ada.says(&group, "👩‍👩‍👧 Lunch at eight, or a late lunch?").await;
    settled(&server).await;

    let found = bob.get("/search/messages?q=lunch").await;

    insta::assert_json_snapshot!("hit", found.shape());
    assert_eq!(found.body["items"][0]["message"], bob.looks_at(&said).await.expect(200));
    assert_eq!(marked(&found.body["items"][0]), ["Lunch", "lunch"]);
}

#[tokio::test]
async fn a_long_body_is_shown_around_what_was_found() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    ada.says(&group, &format!("{}needle{}", "hay ".repeat(1_900), " straw".repeat(1_000))).await;
    settled(&server).await;

    let found = searches(&ada, "needle").await;

    let highlight = &found["items"][0]["highlight"];
    assert_eq!(highlight["ranges"], serde_json::json!([[7_600, 7_606]]));
    let snippet = highlight["snippet"].as_str().expect("it is text");
    assert!(snippet.starts_with("…hay") && snippet.contains("hay needle straw") && snippet.ends_with('…'), "{snippet}");
}

#[tokio::test]
async fn the_longest_and_oddest_bodies_are_indexed_too() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let han: String = (0..16_000).filter_map(|number| char::from_u32(0x4e00 + number)).collect();
    for body in [han.as_str(), &"x".repeat(16_000), &"ﷺ ".repeat(8_000), &"a\u{301}".repeat(8_000), "'\\%&|!:*<->()"]
    {
        ada.says(&group, body).await;
    }
    ada.says(&group, "the last one").await;
    settled(&server).await;

    let beyond = searches(&ada, "谀谁").await;

    assert_eq!(super::finds(&ada, "last").await, ["the last one"]);
    assert_eq!(marked(&beyond["items"][0]), ["谀谁"]);
}
