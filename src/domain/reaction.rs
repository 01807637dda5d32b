//! Reactions: which emoji there are, and how those under one message are summed up.

use std::{collections::HashMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

use super::{
    error::{Error, Result},
    ids::{ConversationId, MessageId, UserId},
    limits,
    message::Message,
};

/// Every emoji that Unicode recommends, by what it is without variation selectors, which people's keyboards leave out
/// or add as they please.
static QUALIFIED: LazyLock<HashMap<String, &str>> = LazyLock::new(|| {
    let toned = emojis::iter().filter_map(emojis::Emoji::skin_tones).flatten();
    emojis::iter().chain(toned).map(|emoji| (bare(emoji.as_str()), emoji.as_str())).collect()
});

/// One emoji that Unicode recommends, in its fully qualified form: two ways to write the same one are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emoji(String);

/// One emoji under a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// Which.
    pub emoji: String,
    /// How many people chose it.
    pub count: i64,
    /// The first of them, up to [`limits::REACTION_USERS`].
    pub user_ids: Vec<UserId>,
}

/// Somebody's reaction that came or went, with what it made of all of them.
#[derive(Clone, Debug)]
pub struct ReactionChange {
    /// Where.
    pub conversation_id: ConversationId,
    /// To which message.
    pub message_id: MessageId,
    /// Where that was born.
    pub born: i64,
    /// The log's entry of the change.
    pub seq: i64,
    /// Whose.
    pub user_id: UserId,
    /// Which emoji.
    pub emoji: String,
    /// All reactions to the message as they are now.
    pub reactions: Vec<Reaction>,
}

impl Emoji {
    /// Reads exactly one emoji.
    pub fn parse(text: &str) -> Result<Self> {
        let known = QUALIFIED.get(&bare(text));
        let known = known.ok_or_else(|| Error::field("emoji", "not_an_emoji", "Must be exactly one emoji."))?;
        Ok(Self((*known).to_owned()))
    }

    /// The emoji itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Emoji> for String {
    fn from(emoji: Emoji) -> Self {
        emoji.0
    }
}

impl ReactionChange {
    /// The last change of a message, which was somebody's reaction.
    pub fn of(message: &Message, user_id: UserId, emoji: String) -> Self {
        Self {
            conversation_id: message.conversation_id,
            message_id: message.id,
            born: message.seq,
            seq: message.changed_seq,
            user_id,
            emoji,
            reactions: message.reactions.clone(),
        }
    }
}

/// Counts somebody in, where they were not before.
pub fn count_in(reactions: &mut Vec<Reaction>, emoji: &Emoji, user: UserId) -> Result<()> {
    if let Some(reaction) = reactions.iter_mut().find(|reaction| reaction.emoji == emoji.0) {
        reaction.count += 1;
        if reaction.user_ids.len() < limits::REACTION_USERS {
            reaction.user_ids.push(user);
        }
        return Ok(());
    }
    if reactions.len() >= limits::REACTIONS {
        return Err(Error::LimitReached { what: "kinds of reaction to a message", most: limits::REACTIONS });
    }
    reactions.push(Reaction { emoji: emoji.0.clone(), count: 1, user_ids: vec![user] });
    Ok(())
}

/// Counts somebody out, where they were before; `first` are those who now chose it first.
pub fn count_out(reactions: &mut Vec<Reaction>, emoji: &Emoji, first: Vec<UserId>) {
    if let Some(reaction) = reactions.iter_mut().find(|reaction| reaction.emoji == emoji.0) {
        reaction.count -= 1;
        reaction.user_ids = first;
    }
    reactions.retain(|reaction| reaction.count > 0);
}

fn bare(text: &str) -> String {
    text.chars().filter(|sign| !matches!(sign, '\u{fe0e}' | '\u{fe0f}')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        Emoji::parse(text).ok().map(|emoji| emoji.0)
    }

    #[test]
    fn every_emoji_is_one_with_or_without_its_variation_selectors() {
        let toned = emojis::iter().filter_map(|emoji| emoji.skin_tones()).flatten();
        for emoji in emojis::iter().chain(toned) {
            let bare = bare(emoji.as_str());
            for way in [emoji.as_str(), &bare, &format!("{bare}\u{fe0f}"), &format!("{bare}\u{fe0e}")] {
                assert_eq!(parsed(way).as_deref(), Some(emoji.as_str()), "{}", way.escape_unicode());
            }
        }
        assert!(QUALIFIED.len() > 3_700, "all of Unicode's, not only {}", QUALIFIED.len());
        for some in ["👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇪🇺", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "#️⃣", "👩🏾‍🤝‍👨🏻", "❤️‍🔥", "©️"]
        {
            assert_eq!(parsed(some).as_deref(), Some(some));
        }
        assert_eq!((parsed("❤"), parsed("❤\u{fe0f}")), (Some("❤️".into()), Some("❤️".into())));
    }

    #[test]
    fn what_is_not_exactly_one_emoji_is_none() {
        for text in
            ["", " ", "a", "1", "#", "👍👍", "👍a", " 👍", "🏽", "\u{200d}", "\u{fe0f}", "🇽🇽", "👍‍👍", ":+1:", "e\u{301}"]
        {
            assert_eq!(parsed(text), None, "{}", text.escape_unicode());
        }
    }

    #[test]
    fn kinds_stay_in_the_order_in_which_they_were_first_chosen_and_are_bounded() {
        let emoji: Vec<_> = emojis::iter().take(limits::REACTIONS + 1).map(|emoji| Emoji(emoji.to_string())).collect();
        let mut reactions = Vec::new();
        let people: Vec<_> = (0..=limits::REACTION_USERS).map(|_| UserId::new_v7()).collect();
        for emoji in &emoji[..limits::REACTIONS] {
            count_in(&mut reactions, emoji, people[0]).expect("there is room");
        }

        assert!(matches!(
            count_in(&mut reactions, &emoji[limits::REACTIONS], people[0]),
            Err(Error::LimitReached { .. })
        ));
        for person in &people[1..] {
            count_in(&mut reactions, &emoji[3], *person).expect("this kind is there already");
        }
        assert_eq!(reactions[3].count, people.len() as i64);
        assert_eq!(reactions[3].user_ids, people[..limits::REACTION_USERS]);
        count_out(&mut reactions, &emoji[3], people[1..].to_vec());
        count_out(&mut reactions, &emoji[0], Vec::new());
        let left: Vec<_> = reactions.iter().map(|reaction| reaction.emoji.as_str()).collect();
        assert_eq!(left, emoji[1..limits::REACTIONS].iter().map(Emoji::as_str).collect::<Vec<_>>());
        assert_eq!((reactions[2].count, &reactions[2].user_ids[..]), (people.len() as i64 - 1, &people[1..]));
    }
}
