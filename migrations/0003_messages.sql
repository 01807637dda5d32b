-- The log of each conversation. A plain send writes one row of messages; every other change
-- also writes one row of changes, so that messages and changes together hold every seq once.

create table messages (
    conversation_id uuid        not null,
    seq             bigint      not null,
    changed_seq     bigint      not null,
    id              uuid        not null,
    -- The number of the last countable message at or below this one (its own, unless it is a system message).
    no              bigint      not null,
    sender_id       uuid        not null,
    kind            text        not null,
    body            text,
    -- As they are shown; the table attachments has them as they are kept.
    attachments     jsonb,
    metadata        jsonb,
    location        jsonb,
    reply_to_seq    bigint,
    mentions        uuid[]      not null default '{}',
    -- Mentions every member, without a row for each.
    mentions_all    boolean     not null default false,
    -- Each emoji with how many people chose it and the first of them; none where nobody reacted.
    reactions       jsonb,
    forwarded_from  jsonb,
    -- What the page says of itself that the body links to first.
    link_preview    jsonb,
    pinned_at       timestamptz,
    pinned_by       uuid,
    expires_at      timestamptz,
    -- What was first sent, hashed: a retry is compared with this and not with what an edit made of it.
    fingerprint     bytea       not null,
    created_at      timestamptz not null,
    edited_at       timestamptz,
    deleted_at      timestamptz,
    constraint messages_pkey primary key (conversation_id, seq),
    constraint messages_kind_check check (kind in (
        'text', 'image', 'video', 'audio', 'voice_note', 'file', 'location', 'system'))
);
comment on table messages is
    'One row is one message; seq is where it was born, changed_seq its last change. No foreign key to conversations: rows are only ever written under that row''s lock, and the check would tax every send.';
create unique index messages_id_key on messages (conversation_id, id);
create index messages_changed_idx on messages (conversation_id, changed_seq) where changed_seq > seq;
create index messages_deleted_idx on messages (conversation_id, seq) where deleted_at is not null;
create index messages_mentions_all_idx on messages (conversation_id, seq) where mentions_all;
create index messages_pinned_idx on messages (conversation_id, pinned_at, seq) where pinned_at is not null;
-- Led by the time: what is due is looked for in all conversations at once, and there is never much of it.
create index messages_expires_idx on messages (expires_at, conversation_id, seq)
    where expires_at is not null and deleted_at is null;

create table message_edits (
    conversation_id uuid        not null,
    message_seq     bigint      not null,
    edited_at       timestamptz not null,
    changed_seq     bigint      not null,
    editor_id       uuid        not null,
    body            text,
    constraint message_edits_pkey primary key (conversation_id, message_seq, changed_seq),
    constraint message_edits_message_fkey foreign key (conversation_id, message_seq)
        references messages (conversation_id, seq) on delete cascade
);
comment on table message_edits is 'One row is one version of a body that an edit replaced, with who replaced it and when.';

create table mentions (
    conversation_id uuid   not null,
    user_id         uuid   not null,
    message_seq     bigint not null,
    constraint mentions_pkey primary key (conversation_id, user_id, message_seq),
    constraint mentions_message_fkey foreign key (conversation_id, message_seq)
        references messages (conversation_id, seq) on delete cascade
);
comment on table mentions is 'One row: this message mentions this person.';
create index mentions_message_idx on mentions (conversation_id, message_seq);

create table hidden_messages (
    conversation_id uuid   not null,
    user_id         uuid   not null,
    message_seq     bigint not null,
    constraint hidden_messages_pkey primary key (conversation_id, user_id, message_seq),
    constraint hidden_messages_message_fkey foreign key (conversation_id, message_seq)
        references messages (conversation_id, seq) on delete cascade
);
comment on table hidden_messages is 'One row: this person deleted this message for themselves.';
create index hidden_messages_message_idx on hidden_messages (conversation_id, message_seq);

create table changes (
    conversation_id uuid   not null,
    seq             bigint not null,
    kind            text   not null,
    message_seq     bigint,
    user_id         uuid,
    emoji           text,
    constraint changes_pkey primary key (conversation_id, seq),
    constraint changes_conversation_fkey foreign key (conversation_id) references conversations (id) on delete cascade,
    constraint changes_kind_check check (kind in (
        'message_updated', 'message_deleted', 'message_pinned', 'message_unpinned',
        'reaction_added', 'reaction_removed',
        'participant_added', 'participant_updated', 'participant_removed',
        'conversation_updated', 'conversation_deleted'))
);
comment on table changes is
    'One row is one entry of the log that is not the birth of a message: what kind of change, to which message or person, with which emoji.';
