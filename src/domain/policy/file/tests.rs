//! What files say, and how mistakes in them are shown.

use chrono::DateTime;

use super::*;
use crate::domain::policy::rules::{Place, Reach};

const OPEN: &str = include_str!("../../../../policies/open.toml");
const COACHING: &str = include_str!("../../../../policies/coaching.toml");

fn people<const N: usize>(roles: [&str; N]) -> Vec<String> {
    roles.map(str::to_owned).to_vec()
}

#[test]
fn the_open_rules_allow_everything() {
    let rules = parse(OPEN).expect("it is well formed");
    let (nobody, admin) = (people([]), people(["admin"]));

    assert_eq!(rules.may_open_direct(&nobody, &admin), Ok("direct.anybody"));
    let members = [nobody.clone(), admin.clone()];
    assert_eq!(rules.may_make_group(Some("any"), &nobody, &members), Ok("groups.*"));
    assert_eq!(rules.may_send(&nobody, Place::Direct(&nobody), AttachmentKind::VARIANTS), Ok("direct.anybody"));
    assert_eq!(rules.may_send(&nobody, Place::Group(None, &[]), AttachmentKind::VARIANTS), Ok("groups.*"));
    assert_eq!(rules.reach(&nobody), Reach::Everybody);
    assert_eq!(rules.redaction, Redaction::default());
    assert_eq!(rules.pictures, Keep::Reasonable);
    assert_eq!(rules.quota(Limit::Messages, &admin), None);
    let (then, now) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::days(10_000));
    assert!(rules.may_edit_since(then, now).is_ok() && rules.may_delete_since(then, now).is_ok());
}

#[test]
fn the_coaching_rules_put_an_admin_between_coach_and_parent() {
    let rules = parse(COACHING).expect("it is well formed");
    let all = [people(["admin"]), people(["coach"]), people(["parent"]), people([])];
    let talks = |one: usize, other: usize| (one == 0 || other == 0) && one != 3 && other != 3;
    for (one, roles) in all.iter().enumerate() {
        for (other, others) in all.iter().enumerate() {
            assert_eq!(rules.may_open_direct(roles, others).is_ok(), talks(one, other), "{roles:?} {others:?}");
            let place = Place::Direct(others);
            assert_eq!(rules.may_send(roles, place, &[]).is_ok(), talks(one, other), "{roles:?} {others:?}");
            assert!(rules.may_send(roles, place, &[AttachmentKind::Image]).is_err());
            let members = [roles.clone(), others.clone()];
            let makes = one == 0 && other != 3;
            assert_eq!(rules.may_make_group(Some("batch"), roles, &members).is_ok(), makes);
            assert!(rules.may_make_group(None, roles, &members).is_err());
        }
        let kinds = AttachmentKind::VARIANTS;
        assert_eq!(rules.may_send(roles, Place::Group(Some("batch"), &[]), kinds).is_ok(), one != 3);
        assert!(rules.may_send(roles, Place::Group(Some("batch"), &people(["admin"])), &[]).is_err());
    }
    assert_eq!(rules.reach(&all[0]), Reach::Of(people(["admin", "coach", "parent"])));
    assert_eq!(rules.reach(&all[1]), Reach::Of(people(["admin"])));
    assert_eq!(rules.reach(&all[3]), Reach::Of(Vec::new()));
    assert_eq!(rules.required(Some("batch")), people(["admin"]));
}

#[test]
fn a_denial_names_the_rule_and_says_why() {
    let rules = parse(COACHING).expect("it is well formed");
    let (coach, parent) = (people(["coach"]), people(["parent"]));

    let direct = rules.may_open_direct(&coach, &parent).expect_err("it is denied");
    let file = rules.may_send(&coach, Place::Direct(&people(["admin"])), &[AttachmentKind::File]);
    let made = rules.may_make_group(Some("batch"), &coach, std::slice::from_ref(&coach));
    let late = rules.may_edit_since(DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::seconds(901));

    assert_eq!(direct.rule, "direct");
    let why = "No rule lets somebody who is `coach` open a direct conversation with somebody who is `parent`.";
    assert_eq!(direct.why, why);
    assert_eq!(file.expect_err("it is denied").rule, "direct.an-admin-with-anybody.attachments");
    assert_eq!(made.expect_err("it is denied").rule, "groups.batch.made_by");
    assert_eq!(late.expect_err("it is denied").rule, "messages.edit_within_seconds");
}

#[test]
fn the_most_generous_role_says_how_often() {
    let text = format!(
        "{}\n[limits.a]\nmessages_per_minute = 5\n[limits.b]\nmessages_per_minute = 9\n[limits.c]\nmessages_per_minute = 0\n",
        OPEN.replace("roles = []", r#"roles = ["a", "b", "c"]"#)
    );
    let rules = parse(&text).expect("it is well formed");

    for (roles, quota) in [
        (people([]), None),
        (people(["a"]), Some(5)),
        (people(["b", "a"]), Some(9)),
        (people(["a", "c"]), Some(0)),
        (people(["d"]), None),
    ] {
        assert_eq!(rules.quota(Limit::Messages, &roles), quota, "{roles:?}");
        assert_eq!(rules.quota(Limit::Edits, &roles), None);
    }
}

#[test]
fn the_most_generous_role_says_how_large_a_file_may_be() {
    let text = format!(
        "{}\n[attachment_bytes.\"*\"]\n\"*\" = 10\nvideo = 20\n[attachment_bytes.a]\nimage = 5\n\
         [attachment_bytes.b]\nimage = 7\n\"*\" = 3\n",
        OPEN.replace("roles = []", r#"roles = ["a", "b"]"#)
    );
    let rules = parse(&text).expect("it is well formed");

    for (roles, image, video, file) in [
        (people([]), 10, 20, 10),
        (people(["a"]), 5, 20, 10),
        (people(["a", "b"]), 7, 3, 3),
        (people(["d"]), 10, 20, 10),
    ] {
        let most = |kind| rules.sizes.most(&roles, kind);
        let said = [AttachmentKind::Image, AttachmentKind::Video, AttachmentKind::File].map(most);
        assert_eq!(said, [Some(image), Some(video), Some(file)], "{roles:?}");
    }
    assert_eq!(rules.sizes.most_of_all(), Some(20));
    let open = parse(OPEN).expect("it is well formed").sizes;
    assert_eq!((open.most(&people(["a"]), AttachmentKind::Image), open.most_of_all()), (None, None));
}

#[test]
fn a_mistake_is_shown_where_it_is() {
    for (was, is, place, says) in [
        ("[redact]", "[redact", (27, 8), "unclosed table"),
        ("made_by", "made_bye", (20, 1), "`groups.batch.made_bye`: unknown field `made_bye`"),
        (r#"made_by = ["admin"]"#, "made_by = 7", (20, 11), "`groups.batch.made_by`: invalid type: integer `7`"),
        ("may_send = [\"admin\",", "may_send = [\"admim\",", (23, 13), "`groups.batch.may_send`: `admim` is not"),
        ("\"voice_note\"", "\"voice\"", (24, 43), "`groups.batch.attachments`: `voice` is not a kind"),
        ("may_send = [\"admin\",", "may_send = [\"*\",", (23, 13), "`groups.batch.may_send`: `*` stands alone"),
        ("conversations_per_hour", "conversations_per_day", (37, 1), "`limits.admin`: No such limit"),
        ("roles = [", "# roles = [", (1, 1), "missing field `roles`"),
        ("edit_within_seconds = 900", "edit_within_seconds = -1", (32, 23), "`messages.edit_within_seconds`"),
        (
            "[limits.admin]",
            "[attachment_bytes.\"*\"]\nimages = 1\n[limits.admin]",
            (36, 1),
            "`attachment_bytes.*`: `images` is not a kind",
        ),
        (
            "[limits.admin]",
            "[attachment_bytes.teacher]\n[limits.admin]",
            (35, 19),
            "`attachment_bytes`: `teacher` is not among",
        ),
        (
            "[limits.admin]",
            "[attachment_bytes.coach]\nimage = 0\n[limits.admin]",
            (36, 9),
            "`attachment_bytes.coach.image`: Between 1",
        ),
        (
            "[limits.admin]",
            "[attachment_bytes.coach]\nimage = \"1 MiB\"\n[limits.admin]",
            (36, 9),
            "`attachment_bytes`: invalid type",
        ),
        ("members = [", "# members = [", (19, 1), "`groups.batch`: missing field `members`"),
    ] {
        let mistake = parse(&COACHING.replacen(was, is, 1)).expect_err(is);

        assert_eq!((mistake.line, mistake.column), place, "{is}: {mistake}");
        assert!(mistake.to_string().contains(says), "{is}: {mistake}");
    }
}
