-- People, the ways in which they sign in, and what concerns one person alone.
-- These tables are led by the user: a distributed PostgreSQL would place them by user_id.

create extension if not exists pg_trgm;

create table users (
    id              uuid        not null,
    external_id     text,
    username        text,
    email           text,
    password_hash   text,
    display_name    text        not null,
    metadata        jsonb       not null default '{}',
    roles           text[]      not null default '{}',
    -- The place of the picture in the store of files (blobs).
    avatar_id       uuid,
    own_seq         bigint      not null default 0,
    last_seen_at    timestamptz,
    banned_until    timestamptz,
    created_at      timestamptz not null,
    deleted_at      timestamptz,
    constraint users_pkey primary key (id)
);
comment on table users is
    'One row is one person. own_seq is the head of the log of what concerns that person alone (personal_changes).';

create unique index users_external_id_key on users (external_id);
create unique index users_username_key on users (lower(username));
create unique index users_email_key on users (lower(email));
create index users_name_trgm on users
    using gin ((lower(coalesce(username, '') || ' ' || display_name)) gin_trgm_ops)
    where deleted_at is null;

create table sessions (
    id                    uuid        not null,
    user_id               uuid        not null,
    device                text,
    mark_hash             bytea       not null,
    refresh_hash          bytea       not null,
    -- Still good until the newest one is first used: a lost answer must not log anyone out.
    previous_refresh_hash bytea,
    sealed_refresh        bytea,
    created_at            timestamptz not null,
    last_used_at          timestamptz not null,
    expires_at            timestamptz not null,
    revoked_at            timestamptz,
    constraint sessions_pkey primary key (id),
    constraint sessions_user_fkey foreign key (user_id) references users (id) on delete cascade
);
comment on table sessions is
    'One row is one signed-in device. Refresh tokens are stored as SHA-256 hashes only: of the mark that all of a session''s
tokens bear, of the newest secret and of the one before; sealed_refresh is the newest secret, masked by the one before.';
create index sessions_user_idx on sessions (user_id);

create table revocations (
    id         uuid        not null,
    user_id    uuid        not null,
    session_id uuid,
    reason     text        not null,
    at         timestamptz not null default clock_timestamp(),
    constraint revocations_pkey primary key (id),
    constraint revocations_reason_check check (reason in ('logout', 'password', 'revoked', 'reuse', 'banned', 'deleted'))
);
comment on table revocations is
    'One row tells every node to close the sockets of a session, or of a whole person where session_id is null.';
create index revocations_at_idx on revocations (at);

create table voided_host_tokens (
    external_id_hash bytea       not null,
    issued_before    timestamptz not null,
    constraint voided_host_tokens_pkey primary key (external_id_hash)
);
comment on table voided_host_tokens is
    'One row is one deleted account, known by a SHA-256 hash: tokens of the host application from before must not make it anew.';

create table blocks (
    user_id    uuid        not null,
    blocked_id uuid        not null,
    created_at timestamptz not null,
    constraint blocks_pkey primary key (user_id, blocked_id),
    constraint blocks_self_check check (user_id <> blocked_id)
);
comment on table blocks is 'One row: user_id does not want to hear from blocked_id.';
create index blocks_blocked_idx on blocks (blocked_id);

create table personal_changes (
    user_id         uuid   not null,
    seq             bigint not null,
    kind            text   not null,
    conversation_id uuid,
    message_id      uuid,
    blocked_id      uuid,
    constraint personal_changes_pkey primary key (user_id, seq),
    constraint personal_changes_kind_check check (kind in ('preferences', 'hidden', 'block', 'scheduled'))
);
comment on table personal_changes is
    'The log of what concerns one person alone; seq is gapless per person. A row says what changed, the tables say what it is now.';

create table idempotency_keys (
    user_id     uuid        not null,
    key         text        not null,
    fingerprint bytea       not null,
    status      smallint,
    receipt     jsonb,
    created_at  timestamptz not null,
    constraint idempotency_keys_pkey primary key (user_id, key)
);
comment on table idempotency_keys is
    'One row is one creating request that carried an Idempotency-Key: what was asked (hashed) and ids of what it made. Kept for 24 hours.';
create index idempotency_keys_created_idx on idempotency_keys (created_at);

create table secrets (
    name  text  not null,
    value bytea not null,
    constraint secrets_pkey primary key (name)
);
comment on table secrets is 'One row is one secret that all nodes share, made on first start where the settings give none.';
