-- What is still to be removed of people whose accounts were deleted.

create table erasures (
    user_id   uuid        not null,
    erased_at timestamptz not null,
    constraint erasures_pkey primary key (user_id)
);
comment on table erasures is
    'One row: this person deleted their account, and files of theirs may be left. Written with the deletion; who removes them holds its lock.';
