-- No foreign keys, no second index, short keys: as quick as it can be.
drop table if exists naive_messages, naive_conversations;
create table naive_conversations (id integer primary key, head_seq bigint not null) with (fillfactor = 70);
create table naive_messages (
    conversation_id integer     not null,
    seq             bigint      not null,
    id              uuid        not null,
    sender_id       uuid        not null,
    body            text        not null,
    created_at      timestamptz not null,
    primary key (conversation_id, seq)
);
insert into naive_conversations select number, 0 from generate_series(1, 64) number;
vacuum analyze naive_conversations;
