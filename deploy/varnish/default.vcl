# Varnish before Cartwright: the catalogue is kept at the edge, everything else passes through.
#
# Written for Varnish 7 and kept honest by the tests of crates/edge. To be adapted: the backend, and who may purge.
vcl 4.1;

import std;

backend default {
    .host = "127.0.0.1";
    .port = "8000";
    # Longer than the pauses between two signs of life of an event stream.
    .between_bytes_timeout = 120s;
}

# The nodes of Cartwright. Nobody else may purge.
acl purgers {
    "127.0.0.1";
    "::1";
}

sub vcl_recv {
    # A TLS proxy on this machine connects from an address that may purge, with requests of anybody: what it forwards has
    # a longer list than Varnish starts by itself. A proxy that adds nothing to it must be told to refuse BAN.
    if (req.method == "BAN") {
        if (client.ip !~ purgers || req.http.X-Forwarded-For ~ "," || req.http.Via || req.http.Forwarded) {
            return (synth(403, "Not for you"));
        }
        call ban_keys;
    }

    # Ours on hits, so it must be fit to be repeated.
    if (req.http.X-Request-ID !~ "^[!-~]{1,128}$") {
        set req.http.X-Request-ID = "edge-" + req.xid;
    }

    if (req.method != "GET" && req.method != "HEAD") {
        # An unknown method would be piped, and the connection with it.
        if (req.method ~ "^(POST|PUT|PATCH|DELETE|OPTIONS)$") {
            return (pass);
        }
        return (synth(405, "Method Not Allowed"));
    }
    if (req.http.Authorization || req.http.Upgrade) {
        return (pass);
    }
    # What is the same for everybody, by name: a path that is forgotten here is slow, and not somebody else's cart.
    if (req.url !~ "^(/api/v1/(products|categories|search|stats)|/stats/top-products)(/|\?|$)") {
        return (pass);
    }
    # `products/../carts/ana` is a path of the catalogue here, and might not be one behind.
    if (req.url ~ "(?i)^[^?]*(/\.|%2e|%2f|%5c|\\|//)") {
        return (pass);
    }
    # Every shopper has cookies, and nothing of the catalogue depends on them.
    unset req.http.Cookie;
    return (hash);
}

# Keys come as they stand in answers, separated by blanks. They consist of letters, digits and `_-:%`, none of which
# means anything in an expression, so what passes here can ban objects by whole keys and do nothing else.
sub ban_keys {
    if (req.http.Surrogate-Key == "*") {
        if (!std.ban("obj.http.Surrogate-Key ~ .")) {
            return (synth(500, std.ban_error()));
        }
        return (synth(200, "Banned everything"));
    }
    # What no key has, or no key at all between two blanks.
    if (req.http.Surrogate-Key ~ "[^A-Za-z0-9_:% -]" || req.http.Surrogate-Key ~ "(^| )( |$)") {
        return (synth(400, "Not a list of keys"));
    }
    # Only `obj.` in the expression: the ban lurker works it off in the background, without requests.
    if (!std.ban("obj.http.Surrogate-Key ~ (?:^|\s)(?:" + regsuball(req.http.Surrogate-Key, " ", "|") + ")(?:\s|$)")) {
        return (synth(500, std.ban_error()));
    }
    return (synth(200, "Banned"));
}

sub vcl_backend_response {
    # Stale answers are served only for as long as the origin says (stale-while-revalidate, which Varnish understands).
    if (beresp.http.Cache-Control !~ "(?i)stale-while-revalidate") {
        set beresp.grace = 0s;
    }
    # The origin's word is needed: what says nothing about its time is not kept. (Nor are failures, by Varnish's own rules.)
    if (beresp.http.Cache-Control !~ "(?i)(s-maxage|max-age)=") {
        set beresp.uncacheable = true;
        set beresp.ttl = 1s;
        return (deliver);
    }
    # A ban looks at the first line of a header only.
    std.collect(beresp.http.Surrogate-Key, " ");
    # For `If-None-Match` while it is fetched anew.
    set beresp.keep = 1m;
}

sub vcl_deliver {
    if (obj.hits > 0) {
        set resp.http.X-Edge = "HIT";
        # That of the kept answer names another request.
        set resp.http.X-Request-ID = req.http.X-Request-ID;
    } else {
        set resp.http.X-Edge = "MISS";
    }
    unset resp.http.Surrogate-Key;
    unset resp.http.X-Varnish;
    unset resp.http.Via;
}

sub vcl_synth {
    if (req.method == "BAN") {
        set resp.http.Content-Type = "text/plain; charset=utf-8";
        set resp.body = resp.reason;
        return (deliver);
    }
    set resp.http.X-Request-ID = req.http.X-Request-ID;
    set resp.http.X-Edge = "MISS";
}
