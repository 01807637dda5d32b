-- What a member sees, defined once. Everything that shows unread counts reads it from here.
-- A function that PostgreSQL takes apart like a view, since what counts depends on what time it is.

create function own_conversations(at timestamptz)
returns table (
    user_id uuid,
    conversation_id uuid,
    role text,
    floor_seq bigint,
    cleared_seq bigint,
    read_seq bigint,
    delivered_seq bigint,
    moved_at timestamptz,
    kind text,
    category text,
    name text,
    description text,
    avatar_id uuid,
    history_for_new_members text,
    members_may_pin boolean,
    expires_in integer,
    created_by uuid,
    created_at timestamptz,
    updated_at timestamptz,
    head_seq bigint,
    member_count integer,
    active_at timestamptz,
    pinned_at timestamptz,
    archived_at timestamptz,
    muted_until timestamptz,
    notify text,
    draft text,
    unread bigint,
    mentions bigint,
    last_message_seq bigint)
language sql stable as $$
select
    member.user_id,
    member.conversation_id,
    member.role,
    member.floor_seq,
    member.cleared_seq,
    member.read_seq,
    member.delivered_seq,
    member.moved_at,
    conversation.kind,
    conversation.category,
    conversation.name,
    conversation.description,
    conversation.avatar_id,
    conversation.history_for_new_members,
    conversation.members_may_pin,
    conversation.expires_in,
    conversation.created_by,
    conversation.created_at,
    conversation.updated_at,
    conversation.head_seq,
    conversation.member_count,
    conversation.active_at,
    preference.pinned_at,
    preference.archived_at,
    preference.muted_until,
    coalesce(preference.notify, 'all') as notify,
    preference.draft,
    -- Countable messages above my cursor, less those of them that are deleted for everyone, expired or hidden by me.
    conversation.message_no - greatest(member.read_no, member.floor_no)
        - (select count(*)
           from messages gone
           where gone.conversation_id = member.conversation_id
             and gone.deleted_at is not null
             and gone.seq > greatest(member.read_seq, member.floor_seq))
        - (select count(*)
           from messages expired
           where expired.conversation_id = member.conversation_id
             and expired.deleted_at is null
             and expired.expires_at <= at
             and expired.seq > greatest(member.read_seq, member.floor_seq))
        - (select count(*)
           from hidden_messages hidden
           join messages unseen
             on unseen.conversation_id = hidden.conversation_id and unseen.seq = hidden.message_seq
           where hidden.conversation_id = member.conversation_id
             and hidden.user_id = member.user_id
             and hidden.message_seq > greatest(member.read_seq, member.floor_seq)
             and unseen.deleted_at is null
             and (unseen.expires_at is null or unseen.expires_at > at)
             and unseen.kind <> 'system') as unread,
    (select count(*)
     from mentions mention
     where mention.conversation_id = member.conversation_id
       and mention.user_id = member.user_id
       and mention.message_seq > greatest(member.read_seq, member.floor_seq)
       and not exists (
           select from hidden_messages hidden
           where hidden.conversation_id = mention.conversation_id
             and hidden.user_id = mention.user_id
             and hidden.message_seq = mention.message_seq)
       and not exists (
           select from messages expired
           where expired.conversation_id = mention.conversation_id
             and expired.seq = mention.message_seq
             and expired.expires_at <= at))
        + (select count(*)
           from messages called
           where called.conversation_id = member.conversation_id
             and called.mentions_all
             and called.seq > greatest(member.read_seq, member.floor_seq)
             and (called.expires_at is null or called.expires_at > at)
             and not exists (
                 select from mentions twice
                 where twice.conversation_id = called.conversation_id
                   and twice.user_id = member.user_id
                   and twice.message_seq = called.seq)
             and not exists (
                 select from hidden_messages hidden
                 where hidden.conversation_id = called.conversation_id
                   and hidden.user_id = member.user_id
                   and hidden.message_seq = called.seq)) as mentions,
    (select latest.seq
     from messages latest
     where latest.conversation_id = member.conversation_id
       and latest.seq > member.floor_seq
       and not exists (
           select from hidden_messages hidden
           where hidden.conversation_id = latest.conversation_id
             and hidden.user_id = member.user_id
             and hidden.message_seq = latest.seq)
     order by latest.seq desc
     limit 1) as last_message_seq
from members member
join conversations conversation on conversation.id = member.conversation_id
left join preferences preference
    on preference.conversation_id = member.conversation_id and preference.user_id = member.user_id
where member.left_at is null
$$;
comment on function own_conversations is
    'One row is one conversation as one of its present members sees it, with exact unread counts.';
