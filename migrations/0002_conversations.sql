-- Conversations and who is in them. Every table here is led by conversation_id: one conversation is one
-- transaction's scope, and a distributed PostgreSQL would place all of it together. User ids are plain columns.

create table conversations (
    id                      uuid        not null,
    kind                    text        not null,
    category                text,
    name                    text,
    description             text,
    -- The place of the picture in the store of files (blobs).
    avatar_id               uuid,
    history_for_new_members text        not null default 'all',
    members_may_pin         boolean     not null default false,
    -- Seconds after which what is said from now on goes by itself.
    expires_in              integer,
    created_by              uuid        not null,
    created_at              timestamptz not null,
    updated_at              timestamptz not null,
    -- The log's head: every durable change takes the next number under this row's lock.
    head_seq                bigint      not null default 0,
    -- How many countable messages were ever sent; unread is the difference of two such numbers.
    message_no              bigint      not null default 0,
    active_at               timestamptz not null,
    member_count            integer     not null,
    deleted_at              timestamptz,
    -- Whether there may be files that go once nobody is in it any more.
    may_have_files          boolean     not null default true,
    constraint conversations_pkey primary key (id),
    constraint conversations_kind_check check (kind in ('direct', 'group')),
    constraint conversations_history_check check (history_for_new_members in ('all', 'from_joining')),
    constraint conversations_expires_check check (expires_in > 0)
) with (fillfactor = 70);
comment on table conversations is
    'One row is one conversation. No index on anything that a send moves (head_seq, message_no, active_at), so that a send stays a HOT update.';
create index conversations_forsaken_idx on conversations (id) where member_count = 0 and may_have_files;

create table direct_pairs (
    low_user_id     uuid not null,
    high_user_id    uuid not null,
    conversation_id uuid not null,
    constraint direct_pairs_pkey primary key (low_user_id, high_user_id),
    constraint direct_pairs_order_check check (low_user_id < high_user_id)
);
comment on table direct_pairs is
    'One row is the one direct conversation of two people. It is what makes "found or made" exact when both make it at once.';

create table members (
    conversation_id uuid        not null,
    user_id         uuid        not null,
    role            text        not null,
    joined_at       timestamptz not null,
    left_at         timestamptz,
    changed_seq     bigint      not null,
    -- Messages up to floor_seq are not for this member: sent before joining, or cleared.
    floor_seq       bigint      not null default 0,
    floor_no        bigint      not null default 0,
    cleared_seq     bigint      not null default 0,
    delivered_seq   bigint      not null default 0,
    delivered_at    timestamptz,
    read_seq        bigint      not null default 0,
    read_at         timestamptz,
    -- The number of the last countable message at or below read_seq.
    read_no         bigint      not null default 0,
    -- When a cursor last moved, by the database's clock: sync finds moved receipts with it.
    moved_at        timestamptz not null default now(),
    -- When this membership began, by the database's clock: nodes look for admissions that they were not told of with it.
    admitted_at     timestamptz not null default now(),
    constraint members_pkey primary key (conversation_id, user_id),
    constraint members_conversation_fkey foreign key (conversation_id) references conversations (id) on delete cascade,
    constraint members_role_check check (role in ('owner', 'admin', 'member'))
) with (fillfactor = 70);
comment on table members is
    'One row is one person in one conversation, kept with left_at after leaving. The two cursors only move forward.';
create index members_user_idx on members (user_id) where left_at is null;
create index members_changed_idx on members (conversation_id, changed_seq);
create index members_admitted_idx on members (admitted_at) where left_at is null;
create index members_joined_idx on members (conversation_id, joined_at, user_id) where left_at is null;

create table preferences (
    conversation_id uuid not null,
    user_id         uuid not null,
    pinned_at       timestamptz,
    archived_at     timestamptz,
    muted_until     timestamptz,
    notify          text not null default 'all',
    draft           text,
    constraint preferences_pkey primary key (conversation_id, user_id),
    constraint preferences_member_fkey foreign key (conversation_id, user_id)
        references members (conversation_id, user_id) on delete cascade,
    constraint preferences_notify_check check (notify in ('all', 'mentions', 'none'))
);
comment on table preferences is 'One row is how one person wants to see one conversation; no row means the defaults.';
-- Whom a new message brings a conversation back to: a send asks of those alone, however many have put it away in silence.
create index preferences_archived_idx on preferences (conversation_id, coalesce(muted_until, '-infinity'))
    where archived_at is not null;

create table receipt_marks (
    conversation_id uuid        not null,
    user_id         uuid        not null,
    kind            text        not null,
    seq             bigint      not null,
    at              timestamptz not null,
    constraint receipt_marks_pkey primary key (conversation_id, user_id, kind, seq),
    constraint receipt_marks_kind_check check (kind in ('delivered', 'read'))
);
comment on table receipt_marks is
    'One row is one advance of a cursor: everything up to seq was delivered or read by then. "Read at" of a message is the earliest mark at or above it.';
