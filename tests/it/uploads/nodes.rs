//! An upload belongs to no node: it goes on wherever its client comes, and after a restart.

use crate::harness::{files::read, server::TestServer, tus::Tus};

#[tokio::test]
async fn an_upload_goes_on_at_another_node() {
    let (north, south) = TestServer::pair().await;
    let ada = north.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let (here, there) = (Tus::of(&ada), Tus::of(&ada.at(&south)));

    let upload = here.announces(&group, "a.txt", 15).await;
    here.patch(&format!("/uploads/{upload}"), 0, b"01234").await.expect(204);
    assert_eq!(there.offset(&upload).await, 5);
    there.patch(&format!("/uploads/{upload}"), 5, b"56789").await.expect(204);
    here.patch(&format!("/uploads/{upload}"), 10, b"ABCDE").await.expect(204);

    let url = ada.at(&south).get(&format!("/attachments/{upload}")).await.expect(200)["url"].clone();
    assert_eq!(read(&south.client, &url, &[]).await.expect(200), "0123456789ABCDE");
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart() {
    let server = TestServer::start().await;
    let ada = server.person("ada").await;
    let group = ada.opens_group_with([]).await;
    let upload = Tus::of(&ada).announces(&group, "a.txt", 10).await;
    Tus::of(&ada).patch(&format!("/uploads/{upload}"), 0, b"01234").await.expect(204);

    let server = server.restarts().await;
    let ada = ada.at(&server);
    assert_eq!(Tus::of(&ada).offset(&upload).await, 5);
    Tus::of(&ada).patch(&format!("/uploads/{upload}"), 5, b"56789").await.expect(204);

    let url = ada.get(&format!("/attachments/{upload}")).await.expect(200)["url"].clone();
    assert_eq!(read(&server.client, &url, &[]).await.expect(200), "0123456789");
}
