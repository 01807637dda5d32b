//! The limit for sockets: actix-ws with nothing behind it. What one socket says, all hear.

use std::{cell::RefCell, env, io, net::SocketAddr, rc::Rc};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};
use actix_ws::{Message, Session};
use tokio::{
    process::{Child, Command},
    sync::broadcast,
};

/// The word that makes this program such a server; its address follows.
pub const WORD: &str = "bare";
/// Texts that a worker may be behind.
const BEHIND: usize = 1024;

/// The sockets of one worker.
type Sessions = Rc<RefCell<Vec<Session>>>;

/// What is said, for all workers.
type Said = broadcast::Sender<bytestring::ByteString>;

/// Serves until killed.
pub fn serve(address: &str) -> io::Result<()> {
    let said: Said = broadcast::channel(BEHIND).0;
    rt::System::new().block_on(async {
        HttpServer::new(move || {
            let sessions = Sessions::default();
            rt::spawn(pass_on(said.subscribe(), Rc::clone(&sessions)));
            App::new()
                .app_data(web::Data::new(said.clone()))
                .app_data(Rc::clone(&sessions))
                .route("/ws", web::get().to(open))
        })
        .workers(2)
        .backlog(4096)
        .tcp_nodelay(true)
        .bind(address)?
        .run()
        .await
    })
}

/// Starts this program as such a server, which ends with what is returned.
pub fn start(address: SocketAddr) -> io::Result<Child> {
    Command::new(env::current_exe()?).args([WORD, &address.to_string()]).kill_on_drop(true).spawn()
}

async fn open(request: HttpRequest, body: web::Payload, said: web::Data<Said>) -> actix_web::Result<HttpResponse> {
    let (response, session, mut stream) = actix_ws::handle(&request, body)?;
    let sessions = request.app_data::<Sessions>().expect("every worker has them");
    sessions.borrow_mut().push(session);
    rt::spawn(async move {
        while let Some(Ok(message)) = stream.recv().await {
            if let Message::Text(text) = message {
                // There is always a worker who hears it.
                said.send(text).ok();
            }
        }
    });
    Ok(response)
}

async fn pass_on(mut said: broadcast::Receiver<bytestring::ByteString>, sessions: Sessions) {
    while let Ok(text) = said.recv().await {
        let mut all = sessions.take();
        let mut gone = Vec::new();
        for (place, session) in all.iter_mut().enumerate() {
            if session.text(text.clone()).await.is_err() {
                gone.push(place);
            }
        }
        for place in gone.into_iter().rev() {
            all.swap_remove(place);
        }
        // Those who came meanwhile are there already.
        sessions.borrow_mut().append(&mut all);
    }
}
