// What every page loads: htmx with its extension for server-sent events, keys, and the live list.
import "htmx.org";
import "htmx.org/dist/ext/hx-sse.js";
import "./keyboard.js";
import "./live_list.js";
import "./enabling.js";
