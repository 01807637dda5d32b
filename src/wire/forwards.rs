//! Forwards, as clients ask for them and see what became of each.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{messages::MessageView, problem::ProblemView};
use crate::domain::ids::ConversationId;

/// Where to forward a message.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ForwardMessage {
    /// Conversations that you are in; at most 20.
    #[schema(min_items = 1, max_items = 20)]
    pub conversation_ids: Vec<ConversationId>,
}

/// What became of a forward to one conversation: either of the two.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Forwarded)]
pub struct ForwardedView {
    /// Where to.
    pub conversation_id: ConversationId,
    /// The copy, committed.
    pub message: Option<MessageView>,
    /// Why there is none.
    #[schema(value_type = Option<ProblemView>)]
    pub error: Option<Value>,
}
