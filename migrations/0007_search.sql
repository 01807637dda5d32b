-- The index of what was said. It follows the logs off the send path, and can be made anew from them at any time.

create table search_entries (
    conversation_id uuid        not null,
    seq             bigint      not null,
    sender_id       uuid        not null,
    created_at      timestamptz not null,
    edited_at       timestamptz,
    expires_at      timestamptz,
    -- Each lexeme begins with the first six digits of the conversation's id: a search reads the postings of the
    -- conversations that it may look into, and of no other, however common a word is elsewhere. Beside the words stand
    -- who sent it (@), its kind (#) and what is in it (+).
    lexemes         tsvector    not null,
    constraint search_entries_pkey primary key (conversation_id, seq)
);
comment on table search_entries is
    'One row is what can be looked for in one message. No foreign key to messages: the check would lock, and so rewrite, rows that are just being sent.';
create index search_entries_created_idx on search_entries (conversation_id, created_at, seq);
-- Without a list of pending entries, which each search of each conversation would have to read.
create index search_entries_lexemes_idx on search_entries using gin (lexemes) with (fastupdate = off);

create table search_progress (
    conversation_id uuid   not null,
    indexed_seq     bigint not null,
    constraint search_progress_pkey primary key (conversation_id)
);
comment on table search_progress is
    'One row is how far the index has followed one conversation''s log; who works on it holds its lock.';
