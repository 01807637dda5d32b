-- What people report, and what is done by those who may do more than others.

create table reports (
    id              uuid        not null,
    reporter_id     uuid        not null,
    user_id         uuid        not null,
    conversation_id uuid,
    message_id      uuid,
    -- What the message said when it was reported; gone once the report is closed.
    words           text,
    reason          text        not null,
    state           text        not null default 'open',
    created_at      timestamptz not null,
    closed_at       timestamptz,
    closed_by       uuid,
    outcome         text,
    constraint reports_pkey primary key (id),
    constraint reports_state_check check (state in ('open', 'resolved', 'dismissed'))
);
comment on table reports is
    'One row: reporter_id wants an operator to look at user_id, or at a message of theirs. Led by the reporter, and no part of a conversation.';
create unique index reports_open_key on reports (reporter_id, user_id, message_id) nulls not distinct
    where state = 'open';
create index reports_state_idx on reports (state, id);

create table audit_log (
    id              uuid        not null,
    at              timestamptz not null,
    -- Null is the command line.
    actor_id        uuid,
    action          text        not null,
    user_id         uuid,
    conversation_id uuid,
    message_id      uuid,
    report_id       uuid,
    reason          text,
    details         jsonb       not null default '{}',
    constraint audit_log_pkey primary key (id)
);
comment on table audit_log is
    'One row is one privileged act: who did what to whom, and why. Rows are only ever added, and not even the owner of the table may change them.';
revoke update, delete, truncate on audit_log from current_user;

-- Contacts are listed by name.
create index users_display_name_idx on users (lower(display_name), id) where deleted_at is null;
