\set before random(51, :head)
select id, conversation_id, seq, changed_seq, sender_id, kind, body, metadata, location, reply_to_seq, mentions,
       edited_at, deleted_at, created_at
from messages
where conversation_id = :conversation and seq < :before
order by seq desc
limit 50;
