/*
 * What travels when a grain is called: granary.Call goes to the well-known slot of a node,
 * granary.Answer comes back to the pid that sent the call, granary.Subscribe and granary.News keep
 * clients up to date about the view. All four are plain C payloads with codecs of their own in
 * fixed binary (little-endian, docs/wire.md); the request and the reply inside are packed protobuf
 * and stay bytes until somebody knows their type. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CALL_MESSAGE_H
#define GRI_CALL_MESSAGE_H

#include <sys/queue.h>

#include <granary/cluster_spi.h>

struct gri_host;
struct gri_activation;

/* PRESSING: a turn that must end before its shard can move waits for it. */
enum gri_call_flags { GRI_CALL_ONE_WAY = 1, GRI_CALL_PRESSING = 2 };

enum { GRI_HOPS_MAX = 4 };

typedef struct gri_call_message {
    /* On the wire. */
    uint8_t flags;
    uint8_t hops; /* how often a node handed it on */
    uint32_t attempt;
    uint64_t kind, method; /* hashes */
    /* The order of calls of one caller to one grain (lane.h): which line this call stands in, its place
     * there, and the first place that is still taken. Lane 0: no order to keep. */
    uint64_t lane;
    uint64_t place, first_place;
    uint64_t view_founded, view_version; /* the newest view the caller knows */
    gr_system *sys; /* by whose clock the deadline is; the wire carries what is left */
    int64_t deadline_ms;
    const char *identity;
    const uint8_t *chain; /* see chain.h */
    size_t chain_bytes;
    const uint8_t *bytes; /* the request, packed */
    size_t count;
    /* Only on the node that hosts the grain; written by its receptionist, then by the activation.
     */
    gr_pid reply_to;
    bool ahead;            /* its caller knows a newer view than this node did when it came */
    struct gri_host *host; /* set while somebody owes the caller an answer */
    struct gri_activation
        *activation; /* a reference, counted as pending, while it waits there or runs */
    const struct gri_hosted_kind *hosted;
    const gr_method *found;
    gr_msg *request;                        /* unpacked, its own reference */
    STAILQ_ENTRY(gri_call_message) waiting; /* in a list of held or refused calls */
    gr_err refused;                         /* why, when it is refused */
    uint32_t retry_after_ms;
    const char *refused_text;
} gri_call_message;

STAILQ_HEAD(gri_call_list, gri_call_message);

typedef enum gri_outcome {
    GRI_OUTCOME_REPLIED = 1, /* it ran; `bytes` are the reply */
    GRI_OUTCOME_FAILED = 2,  /* it ran, or was refused for good: `code` and `text` are the result */
    GRI_OUTCOME_NOT_RUN = 3, /* it did not run and never will */
    GRI_OUTCOME_UNKNOWN = 4  /* it may have run */
} gri_outcome;

typedef struct gri_answer {
    gri_outcome outcome;
    gr_err code;
    uint32_t retry_after_ms;
    uint64_t view_founded, view_version; /* with NOT_RUN: the newest view of who answers */
    uint64_t owner;                      /* ... and who owns the grain by it; 0: not known */
    const char *text;                    /* "" for none */
    const char *details_type;            /* "" for none */
    const uint8_t *details;
    size_t details_bytes;
    const uint8_t *bytes;
    size_t count;
} gri_answer;

/* "Tell me of views newer than this one", from a client; answered at once by News. */
typedef struct gri_subscribe {
    uint64_t view_founded, view_version;
} gri_subscribe;

/* A view, packed; empty when the subscriber's is the newest. `unfit`: who answers cannot know, because its lease has
 * lapsed; ask somebody else. */
typedef struct gri_news {
    bool unfit;
    const uint8_t *bytes;
    size_t count;
} gri_news;

extern const gr_type gri_call_type;
extern const gr_type gri_answer_type;
extern const gr_type gri_subscribe_type;
extern const gr_type gri_news_type;

/* The types above, for gr_remote_add_types(). */
enum { GRI_CALL_TYPES = 4 };
extern const gr_type *const gri_call_types[GRI_CALL_TYPES];

/* A message whose payload is a deep copy of `call` as it goes on the wire, with the time left
 * counted by `call->sys`; NULL when out of memory. */
gr_msg *gri_call_message_new(const gri_call_message *call);
gr_msg *gri_answer_new(const gri_answer *answer);
gr_msg *gri_news_new(const uint8_t *bytes, size_t count, bool unfit);

/* The message a call lives in. */
gr_msg *gri_call_message_of(gri_call_message *call);

/* Whether a text may be the identity of a grain; GR_EINVAL with the reason. */
gr_err gri_identity_check(const char *identity);

#endif
