\set conversation random(1, 64)
begin;
update naive_conversations set head_seq = head_seq + 1 where id = :conversation returning head_seq \gset
insert into naive_messages (conversation_id, seq, id, sender_id, body, created_at)
values (:conversation, :head_seq, gen_random_uuid(), '00000000-0000-4000-8000-000000000000',
        'Shall we meet at the station at half past seven, or is that too early for you on a Saturday?', now());
commit;
