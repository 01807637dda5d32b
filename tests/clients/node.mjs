// The tour in Node, with the WebSocket client that most Node programs use.

import WebSocket from "ws";

import { tour } from "./tour.mjs";

await tour(process.env.SERVER, WebSocket, ["ada-node", "bob-node"]);
