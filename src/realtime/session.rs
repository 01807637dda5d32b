//! One signed-in socket: commands come in, in order, and each is answered; events come from the hub.
//!
//! A socket's commands are carried out in the order in which they were sent. Sends to one conversation may wait for
//! their commits together, because their writer keeps their order; everything else waits for what came before it.

use std::{
    cell::{OnceCell, RefCell},
    pin::Pin,
    sync::Arc,
};

use actix_web::web;
use bytestring::ByteString;
use futures_util::{StreamExt, future::join, stream::FuturesOrdered};

use super::{
    close::Close,
    dispatch::dispatch,
    frames,
    hub::{Arrival, Hub, Seat},
    mailbox::Mailbox,
    socket::{Next, Socket},
};
use crate::{
    actions::{
        Context, in_time, members,
        presence::{self, Device},
        typing,
    },
    domain::{
        error::{AuthFailure, Error, Reason, Result},
        ids::{ConversationId, SocketId},
        user::Caller,
    },
    telemetry::metrics,
    wire::{
        command::{Command, NotAnObject, Request},
        event::{self, ReadyView},
        problem::ProblemView,
    },
};

/// Sends of one socket that may wait for their commits together.
const SENDS_AT_ONCE: usize = 64;

/// What a session's commands need.
pub struct Session {
    /// Everything that actions need.
    pub ctx: Arc<Context>,
    /// Which socket it is.
    pub socket: SocketId,
    caller: RefCell<Caller>,
    seat: Seat,
    /// What the socket has open, as far as it counts among its person's sockets; also what they were removed from since.
    looks: RefCell<Vec<ConversationId>>,
    /// What makes the person there, once they are let in.
    device: OnceCell<Device>,
}

/// An answer on its way.
type Answering<'a> = Pin<Box<dyn Future<Output = ByteString> + 'a>>;

/// Those on their way, in the order of their commands.
type Answers<'a> = Option<FuturesOrdered<Answering<'a>>>;

impl Session {
    /// Who is on the other side; proven anew by each `auth` frame.
    pub fn caller(&self) -> Caller {
        self.caller.borrow().clone()
    }

    /// The socket's place in the hub.
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Counts a conversation that was just opened; says whether it is open on none of the person's other sockets.
    pub fn look(&self, conversation: ConversationId) -> bool {
        // It was closed by a removal, if it was open before.
        self.look_away(conversation);
        self.looks.borrow_mut().push(conversation);
        self.ctx.cluster.looks.open(conversation, self.caller.borrow().user_id, self.socket)
    }

    /// Counts one off that was closed; says whether the person has it open nowhere now.
    pub fn look_away(&self, conversation: ConversationId) -> bool {
        let mut looks = self.looks.borrow_mut();
        let Some(place) = looks.iter().position(|open| *open == conversation) else { return false };
        looks.swap_remove(place);
        self.ctx.cluster.looks.close(conversation, self.caller.borrow().user_id, self.socket)
    }

    /// Goes on with a fresh token of the same person.
    pub fn renew(&self, fresh: Caller) -> Result<()> {
        if fresh.user_id != self.caller.borrow().user_id {
            return Err(AuthFailure::InvalidToken.into());
        }
        self.seat.renew(arrival(&fresh));
        *self.caller.borrow_mut() = fresh;
        Ok(())
    }

    async fn arrive(&self) {
        let device = presence::arrive(&self.ctx, &self.caller()).await;
        drop(self.device.set(device));
    }

    /// Gives up the seat, and tells those whom that concerns.
    async fn leave(self) {
        let Self { ctx, socket, caller, seat, looks, device } = self;
        let (caller, viewed, mut looks) = (caller.into_inner(), seat.viewing(), looks.into_inner());
        drop(seat);
        looks.retain(|open| ctx.cluster.looks.close(*open, caller.user_id, socket) && viewed.contains(open));
        presence::leave(&ctx, &caller, &looks).await;
        typing::leave(&ctx, socket).await;
        if let Some(device) = device.into_inner() {
            presence::depart(&ctx, &device);
        }
        metrics::socket_closed();
    }
}

/// Serves a socket until it ends.
///
/// Trap: an `async fn` keeps room for its arguments twice, and this is what an idle socket consists of.
pub fn run(
    ctx: web::Data<Context>,
    hub: &Hub,
    mut socket: Socket,
    caller: Caller,
    reference: Option<String>,
) -> impl Future<Output = ()> + use<> {
    metrics::socket_opened();
    let seat = hub.join(arrival(&caller), socket.mailbox().clone());
    let session = Session {
        ctx: ctx.into_inner(),
        socket: SocketId::random(),
        caller: RefCell::new(caller),
        seat,
        looks: RefCell::default(),
        device: OnceCell::new(),
    };
    async move {
        // What happens once is boxed: a socket that has opened must not keep the room for it.
        match Box::pin(welcome(&session, &socket, reference)).await {
            Ok(()) => converse(&session, &mut socket).await,
            Err(Error::Unauthenticated(AuthFailure::SessionRevoked) | Error::NotAllowed(Reason::Banned)) => {
                socket.mailbox().close(Close::Ended);
            }
            Err(error) => {
                socket.mailbox().reply(refusal(None, &error));
                socket.mailbox().close(Close::refusing(&error));
            }
        }
        // The goodbye is said at once; what others are told of it may take longer.
        Box::pin(join(socket.part(), session.leave())).await;
    }
}

fn arrival(caller: &Caller) -> Arrival {
    Arrival { user_id: caller.user_id, session_id: caller.session_id, expires_at: caller.expires_at }
}

/// Subscribes, and says `ready` before anything else is heard.
async fn welcome(session: &Session, socket: &Socket, reference: Option<String>) -> Result<()> {
    let (ctx, caller) = (&session.ctx, session.caller());
    let load = async {
        // Asked once the socket has its seat: from here on, a ban or a revocation finds it there.
        let (user, own_seq, memberships) = in_time(members::arrival(ctx, &caller)).await?;
        session.seat.stands_at(own_seq);
        // Only who may come in is announced, and who hears `ready` is there.
        session.arrive().await;
        let ready = ReadyView {
            session_id: caller.session_id,
            user: user.into(),
            own_seq,
            heartbeat_interval_ms: ctx.settings.heartbeat_seconds * 1000,
            server_time: ctx.clock.now(),
        };
        socket.mailbox().reply(frames::text(&event::ready(&ready)));
        if reference.is_some() {
            socket.mailbox().reply(frames::text(&event::ack(reference.as_deref(), serde_json::json!({}))));
        }
        Ok(memberships)
    };
    session.seat.subscribe(load).await
}

/// Reads commands and answers them until the socket ends; what was begun by then is still answered.
async fn converse(session: &Session, socket: &mut Socket) {
    let mut answers = Answers::None;
    let mut sending_to: Option<ConversationId> = None;
    loop {
        let next = tokio::select! {
            biased;
            Some(answer) = next(&mut answers) => {
                socket.mailbox().reply(frames::text(&answer));
                continue;
            }
            next = socket.next(), if answers.as_ref().is_none_or(|answers| answers.len() < SENDS_AT_ONCE) => next,
        };
        let begun = match next {
            Some(Next::Text(text)) => begin(session, socket.mailbox(), &text),
            Some(Next::Recheck) => {
                Box::pin(recheck(session)).await;
                continue;
            }
            None => break,
        };
        let Ok((answering, target)) = begun else {
            socket.mailbox().close(Close::NotAnObject);
            break;
        };
        if target.is_none() || target != sending_to {
            finish(&mut answers, socket).await;
        }
        sending_to = target;
        answers.get_or_insert_default().push_back(answering);
        if target.is_none() {
            finish(&mut answers, socket).await;
        }
    }
    finish(&mut answers, socket).await;
}

/// The next answer; nothing, and no room for any, where all are given.
async fn next(answers: &mut Answers<'_>) -> Option<ByteString> {
    let answer = answers.as_mut()?.next().await;
    if answer.is_none() {
        *answers = None;
    }
    answer
}

async fn finish(answers: &mut Answers<'_>, socket: &Socket) {
    while let Some(answer) = next(answers).await {
        socket.mailbox().reply(frames::text(&answer));
    }
}

/// What will carry out a command, and the conversation to which it sends. Boxed, so that no socket keeps the room for a command.
fn begin<'a>(
    session: &'a Session,
    mailbox: &Mailbox,
    text: &str,
) -> Result<(Answering<'a>, Option<ConversationId>), NotAnObject> {
    let request = Request::parse(text)?;
    let target = match &request.command {
        Ok(Command::Send(conversation, _)) => Some(*conversation),
        _ => None,
    };
    Ok((Box::pin(carry_out(session, mailbox.clone(), request)), target))
}

async fn carry_out(session: &Session, mailbox: Mailbox, request: Request) -> ByteString {
    let reference = request.reference.as_deref();
    let is_proof = matches!(request.command, Ok(Command::Authenticate(_)));
    let outcome = match request.command {
        Ok(command) => in_time(dispatch(session, reference, command)).await,
        Err(error) => Err(error),
    };
    outcome.unwrap_or_else(|error| {
        // Who can't prove who they are any more is told so, and let go.
        if is_proof && matches!(error, Error::Unauthenticated(_)) {
            mailbox.close_when_answered(Close::Unauthenticated);
        }
        event::error(reference, &problem(&error))
    })
}

/// Reads the memberships again, after something may have been lost between the nodes.
async fn recheck(session: &Session) {
    let caller = session.caller();
    let memberships = in_time(members::memberships(&session.ctx, &caller));
    if let Err(error) = session.seat.subscribe(memberships).await {
        tracing::warn!(%error, "Memberships could not be read again, which will be tried once more: {error}");
    }
}

/// An error frame for a refused command.
pub fn refusal(reference: Option<&str>, error: &Error) -> bytes::Bytes {
    frames::text(&event::error(reference, &problem(error)))
}

fn problem(error: &Error) -> ProblemView {
    if let Error::Internal(source) = error {
        tracing::error!(error = ?source, "A command failed: {source:#}");
    }
    ProblemView::of(error, uuid::Uuid::now_v7().to_string())
}
