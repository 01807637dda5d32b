-- Files that are on their way in: in parts, which can be resumed, or straight into the store of files.

create table uploads (
    uploader_id     uuid        not null,
    -- Also that of the attachment that becomes of it.
    id              uuid        not null,
    conversation_id uuid        not null,
    filename        text        not null,
    size            bigint      not null,
    -- How many bytes are in; all of them only once the attachment is there.
    received        bigint      not null,
    -- What its client wrote of it, to be read again as it was written.
    metadata        text        not null,
    -- How loud it is from its beginning to its end, a byte each, as its client says; empty where it says nothing.
    waveform        bytea       not null,
    -- Where it goes by itself; none where it comes in parts.
    blob_id         uuid,
    -- Of its bytes, where its client said so.
    sha256          bytea,
    expires_at      timestamptz not null,
    constraint uploads_pkey primary key (uploader_id, id),
    constraint uploads_received_check check (received between 0 and size)
);
comment on table uploads is
    'One row is one file that somebody announced. It stays for a day, though the file may be there before.';
create index uploads_expires_idx on uploads (expires_at);

create table upload_parts (
    uploader_id uuid   not null,
    upload_id   uuid   not null,
    -- Which byte of the file is its first.
    start       bigint not null,
    blob_id     uuid   not null,
    constraint upload_parts_pkey primary key (uploader_id, upload_id, start),
    constraint upload_parts_upload_fkey foreign key (uploader_id, upload_id)
        references uploads (uploader_id, id) on delete cascade
);
comment on table upload_parts is
    'One row is some bytes of an upload that have come, in a place of their own, which is doomed from the beginning.';
