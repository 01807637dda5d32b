-- What is still to be removed of people whose accounts were deleted.

create table erasures (
    user_id   uuid        not null,
    erased_at timestamptz not null,
    -- When a worker last turned to it: the others come first, so that one that fails keeps nobody waiting.
    tried_at  timestamptz,
    constraint erasures_pkey primary key (user_id)
);
comment on table erasures is
    'One row: this person deleted their account, and something of theirs may be left. Written with the deletion; who removes it holds its lock.';
