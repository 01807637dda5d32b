-- What is to be said later. Led by the user: until its time has come, a plan is for its maker alone.

create table scheduled_messages (
    user_id         uuid        not null,
    -- Of the message that it becomes.
    id              uuid        not null,
    conversation_id uuid        not null,
    draft           jsonb       not null,
    scheduled_for   timestamptz not null,
    state           text        not null,
    error           jsonb,
    -- What was first asked for, hashed: a retry is compared with this and not with what a change made of it.
    fingerprint     bytea       not null,
    created_at      timestamptz not null,
    constraint scheduled_messages_pkey primary key (user_id, id),
    constraint scheduled_messages_state_check check (state in ('pending', 'sent', 'failed', 'cancelled'))
);
comment on table scheduled_messages is
    'One row is one message that somebody wants to be sent at a time, and what became of it. Its words go with those of its message.';
create index scheduled_messages_due_idx on scheduled_messages (scheduled_for) where state = 'pending';
create index scheduled_messages_list_idx on scheduled_messages (user_id, scheduled_for, id);
