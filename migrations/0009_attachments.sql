-- Files. Their bytes are in the store of files, under the id of a blob; here is what they are and who may see them.

create table blobs (
    id        uuid        not null,
    -- From when on it may be removed, unless something refers to it; none while something does.
    doomed_at timestamptz,
    constraint blobs_pkey primary key (id)
);
comment on table blobs is
    'One row is one place in the store of files. It is written before the bytes are, so that no crash leaves bytes that nobody knows of.';
create index blobs_doomed_idx on blobs (doomed_at) where doomed_at is not null;

create table attachments (
    conversation_id uuid        not null,
    id              uuid        not null,
    uploader_id     uuid        not null,
    kind            text        not null,
    filename        text        not null,
    mime_type       text        not null,
    size            bigint      not null,
    details         jsonb       not null,
    -- Of the bytes as they were uploaded: the same bytes are kept once per conversation.
    sha256          bytea       not null,
    blob_id         uuid        not null,
    -- The message that took it.
    message_seq     bigint,
    -- The uploader's plan that keeps it for the message that the plan becomes.
    plan_id         uuid,
    -- When it was uploaded, or given back by a plan; what nothing took is collected after a day.
    created_at      timestamptz not null,
    constraint attachments_pkey primary key (conversation_id, id),
    constraint attachments_kind_check check (kind in ('image', 'video', 'audio', 'file'))
);
comment on table attachments is
    'One row is one file that somebody uploaded to a conversation. Several may share one blob.';
create index attachments_id_idx on attachments (id);
create index attachments_bytes_idx on attachments (conversation_id, sha256);
create index attachments_blob_idx on attachments (blob_id);
create index attachments_message_idx on attachments (conversation_id, message_seq) where message_seq is not null;
create index attachments_uploader_idx on attachments (uploader_id, conversation_id);
create index attachments_plan_idx on attachments (conversation_id, plan_id) where plan_id is not null;
create index attachments_untaken_idx on attachments (created_at) where message_seq is null and plan_id is null;

create table storage_used (
    user_id uuid   not null,
    bytes   bigint not null,
    constraint storage_used_pkey primary key (user_id),
    constraint storage_used_bytes_check check (bytes >= 0)
);
comment on table storage_used is
    'One row is how many bytes of files one person has uploaded that are still there; its lock makes the quota exact.';
