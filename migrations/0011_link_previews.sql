-- Pages that messages link to and that nobody has looked at yet.

create table link_visits (
    conversation_id uuid        not null,
    message_seq     bigint      not null,
    -- From when on somebody may go; later while somebody is on the way, in case they never come back.
    due_at          timestamptz not null,
    attempts        integer     not null default 0,
    constraint link_visits_pkey primary key (conversation_id, message_seq),
    constraint link_visits_message_fkey foreign key (conversation_id, message_seq)
        references messages (conversation_id, seq) on delete cascade
);
comment on table link_visits is
    'One row: the page that this message links to is still to be looked at. Written with the message, where links are previewed at all.';
-- Led by the time: what is due is looked for in all conversations at once, and there is never much of it.
create index link_visits_due_idx on link_visits (due_at);
