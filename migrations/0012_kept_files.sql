-- Who needs what in the store of files, defined once: whatever refers to a place there is named here and nowhere else.

create view kept_files as
select blob_id, 'original' as name, size
from attachments
union all
select attachment.blob_id, width || '.webp', null
from attachments attachment, jsonb_array_elements_text(attachment.details -> 'thumbnails') width
union all
select person.avatar_id, side || '.webp', null
from users person, unnest('{64, 256}'::int[]) side
where person.avatar_id is not null
union all
select conversation.avatar_id, side || '.webp', null
from conversations conversation, unnest('{64, 256}'::int[]) side
where conversation.avatar_id is not null;
comment on view kept_files is
    'One row: somebody needs the file of this name in this place, and of this size where that is known. A place that nobody needs is doomed.';
create index users_avatar_idx on users (avatar_id) where avatar_id is not null;
create index conversations_avatar_idx on conversations (avatar_id) where avatar_id is not null;
