-- What people think of a message: one of any number of emoji, each once per person.

create table reactions (
    conversation_id uuid   not null,
    message_seq     bigint not null,
    emoji           text   not null,
    user_id         uuid   not null,
    -- The log's entry of the reaction: who was first stays first.
    seq             bigint not null,
    constraint reactions_pkey primary key (conversation_id, message_seq, emoji, user_id),
    constraint reactions_message_fkey foreign key (conversation_id, message_seq)
        references messages (conversation_id, seq) on delete cascade
);
comment on table reactions is
    'One row: this person chose this emoji for this message. The truth; messages.reactions sums it up in the same transaction, so that reading a page costs nothing.';
