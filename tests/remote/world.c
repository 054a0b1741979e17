/*
 * Worlds and books. Everything here runs in the test's thread, but for the handlers of books and the
 * peer events, which count with atomics.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "world.h"

#include <time.h>

#include <granary/pid.pb-c.h>

const gr_type note_type = GR_PROTO_TYPE("note.Note", Note__Note, note__note__descriptor);
const gr_type tree_type = GR_PROTO_TYPE("note.Tree", Note__Tree, note__tree__descriptor);
const gr_type stranger_type =
    GR_PROTO_TYPE("note.Stranger", Note__Stranger, note__stranger__descriptor);

static void on_log(void *arg, gr_log_level level, const char *id, const char *text)
{
    world *in = arg;

    (void)level;
    /* relaxed, here and below: counts that the test waits on */
    atomic_fetch_add_explicit(&in->log_lines, 1, memory_order_relaxed);
    if (getenv("WORLD_LOG") != NULL) {
        fprintf(stderr, "  %s %s\n", id, text);
    }
    if (in->stepped != NULL) {
        memmove(in->last_log[1], in->last_log[0], sizeof(in->last_log) - sizeof(in->last_log[0]));
        (void)snprintf(in->last_log[0], sizeof(in->last_log[0]), "%s %s", id, text);
    }
}

world *world_stepped(uint64_t seed)
{
    world *made = calloc(1, sizeof(*made));

    assert_non_null(made);
    assert_int_equal(gr_stepped_new(seed, &made->stepped), GR_OK);
    assert_int_equal(gr_memory_network_new(made->stepped, &made->network), GR_OK);
    return made;
}

world *world_threads(void)
{
    world *made = calloc(1, sizeof(*made));

    assert_non_null(made);
    return made;
}

void world_free(world *take_world)
{
    for (int i = 0; i < WORLD_PEERS_MAX; i++) {
        world_stop(take_world, i, false);
    }
    take_world->network = gr_memory_network_free(take_world->network);
    take_world->stepped = gr_stepped_free(take_world->stepped);
    free(take_world);
}

static void on_up(void *self, const gr_peer_info *info)
{
    (void)info;
    atomic_fetch_add_explicit(&((peer *)self)->ups, 1, memory_order_relaxed);
}

static void on_lost(void *self, const gr_peer_info *info, const gr_error *why)
{
    (void)info;
    ((peer *)self)->why_lost = *why;
    atomic_fetch_add_explicit(&((peer *)self)->losts, 1, memory_order_release);
}

static void on_broken(void *self, const gr_peer_info *info)
{
    (void)info;
    atomic_fetch_add_explicit(&((peer *)self)->brokens, 1, memory_order_relaxed);
}

static const gr_peer_events peer_events = {
    .version = GR_PEER_EVENTS_VERSION, .up = on_up, .lost = on_lost, .broken = on_broken};

static void on_dead_letter(void *arg, const gr_type *type, const void *event)
{
    (void)type;
    (void)event;
    atomic_fetch_add_explicit(&((peer *)arg)->dead_letters, 1, memory_order_relaxed);
}

void world_start(world *in, int i, const gr_remote_options *options)
{
    static const gr_type *const types[] = {&note_type, &tree_type};
    peer *it = &in->peers[i];
    gr_remote_options mine = options == NULL ? (gr_remote_options){0} : *options;
    gr_system_options system = {.workers = 2,
                                .stepped = in->stepped,
                                .log = on_log,
                                .log_arg = in,
                                .log_level = GR_LOG_INFO};
    char address[32];

    assert_null(it->sys);
    *it = (peer){.world = in};
    assert_int_equal(gr_system_new(&system, &it->sys), GR_OK);
    if (mine.listen == NULL) {
        (void)snprintf(address, sizeof(address), "mem://%d", i);
        mine.listen = in->stepped != NULL ? address : "tcp://127.0.0.1:0";
    } else if (mine.listen[0] == '\0') {
        mine.listen = NULL;
    }
    if (in->stepped != NULL) {
        mine.transport = mine.transport == NULL ? gr_transport_memory() : mine.transport;
        mine.transport_arg = in->network;
    }
    assert_int_equal(gr_remote_start(it->sys, &mine, &it->remote), GR_OK);
    assert_int_equal(gr_remote_add_types(it->remote, types, 2), GR_OK);
    gr_remote_set_peer_events(it->remote, &peer_events, it);
    assert_int_equal(
        gr_subscribe(it->sys, &gr_dead_letter_type, on_dead_letter, it, &it->subscription), GR_OK);
}

void world_stop(world *in, int i, bool crash)
{
    peer *it = &in->peers[i];

    if (it->sys == NULL) {
        return;
    }
    if (crash && in->stepped != NULL) {
        gr_stepped_kill(it->sys);
    }
    it->remote = gr_remote_free(it->remote);
    it->subscription = gr_unsubscribe(it->subscription);
    it->sys = gr_system_free(it->sys);
}

void world_introduce(world *in, int a, int b)
{
    peer *x = &in->peers[a], *y = &in->peers[b];

    if (gr_remote_address(y->remote)[0] != '\0') {
        assert_int_equal(
            gr_remote_set_address(x->remote, gr_system_node(y->sys), gr_remote_address(y->remote)),
            GR_OK);
    }
    if (gr_remote_address(x->remote)[0] != '\0') {
        assert_int_equal(
            gr_remote_set_address(y->remote, gr_system_node(x->sys), gr_remote_address(x->remote)),
            GR_OK);
    }
}

int64_t world_now(world *in)
{
    struct timespec now;

    if (in->stepped != NULL) {
        return gr_stepped_now(in->stepped);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void world_turn(world *in)
{
    const struct timespec moment = {0, 1000000};

    if (in->stepped != NULL) {
        gr_stepped_advance(in->stepped, 1);
    } else {
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &moment,
                              NULL); /* between two looks at a condition */
    }
}

void world_dump(world *in)
{
    for (int i = 0; i < WORLD_PEERS_MAX; i++) {
        if (in->peers[i].remote != NULL) {
            gr_remote_dump(in->peers[i].remote, stderr);
        }
    }
}

void world_run(world *in, int64_t ms)
{
    gr_stepped_advance(in->stepped, ms);
}

/* ---- books ---- */

static gr_err book_started(gr_context *ctx, void *state)
{
    book *it = state;

    return gr_pid_is_null(it->watch) ? GR_OK : gr_watch(ctx, it->watch);
}

static gr_err answer(gr_context *ctx, const book *it, const Note__Note *note)
{
    Note__Stranger stranger = NOTE__STRANGER__INIT;
    gr_msg *msg = NULL;

    if (it->answer_strangely) {
        return gr_msg_new_proto(&stranger_type, &stranger, &msg) == GR_OK ? gr_respond(ctx, msg)
                                                                          : GR_ENOMEM;
    }
    return gr_respond(ctx, note_new(note->writer, note->number,
                                    it->answer_bytes != 0 ? it->answer_bytes : note->body.len));
}

static void keep(book *it, const gr_msg *msg)
{
    if (it->held_count < it->keep) {
        it->held[it->held_count++] = gr_msg_ref(msg);
    }
}

static gr_err take_note(gr_context *ctx, book *it, const gr_msg *msg, const Note__Note *note)
{
    if (!gr_pid_is_null(it->forward)) {
        return gr_forward(ctx, it->forward);
    }
    if (note->number != it->last[note->writer] + 1) {
        atomic_fetch_add_explicit(&it->out_of_order, 1, memory_order_relaxed);
    }
    it->last[note->writer] = note->number;
    atomic_store_explicit(&it->last_bytes, note->body.len, memory_order_relaxed);
    keep(it, msg);
    /* release: who sees the count sees what the note has changed */
    atomic_fetch_add_explicit(&it->notes, 1, memory_order_release);
    if (it->answer && !gr_pid_is_null(gr_context_sender(ctx))) {
        (void)answer(ctx, it, note); /* what becomes of it is for the asker to see */
    }
    return GR_OK;
}

static gr_err book_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    book *it = state;
    const Note__Note *note = gr_msg_read(msg, &note_type);
    const gr_error *error = gr_msg_read(msg, &gr_error_type);
    const gr_terminated *terminated = gr_msg_read(msg, &gr_terminated_type);

    if (note != NULL) {
        return take_note(ctx, it, msg, note);
    }
    if (error != NULL) {
        atomic_store_explicit(&it->last_error, (unsigned)error->code, memory_order_relaxed);
        atomic_fetch_add_explicit(&it->errors, 1, memory_order_release);
    }
    if (terminated != NULL) {
        atomic_store_explicit(&it->last_reason, (unsigned)terminated->reason, memory_order_relaxed);
        atomic_fetch_add_explicit(&it->terminated, 1, memory_order_release);
    }
    return GR_OK;
}

void book_open(world *in, int i, book *it)
{
    gr_props props = {
        .type_name = "book", .started = book_started, .receive = book_receive, .arg = it};

    assert_int_equal(gr_spawn(in->peers[i].sys, &props, NULL, &it->pid), GR_OK);
}

void book_drop_held(book *it)
{
    while (it->held_count > 0) {
        it->held_count--;
        it->held[it->held_count] = gr_msg_unref(it->held[it->held_count]);
    }
}

gr_msg *note_new(uint32_t writer, uint64_t number, size_t bytes)
{
    Note__Note note = NOTE__NOTE__INIT;
    gr_msg *msg = NULL;
    uint8_t *body = calloc(1, bytes + 1);

    note.writer = writer;
    note.number = number;
    note.body.data = body;
    note.body.len = bytes;
    if (gr_msg_new_proto(&note_type, &note, &msg) != GR_OK) {
        msg = NULL;
    }
    free(body);
    return msg;
}

void world_send_notes(world *in, int from, gr_pid to, uint32_t writer, uint64_t first,
                      uint64_t count, size_t bytes)
{
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(
            gr_send_wait(in->peers[from].sys, to, note_new(writer, first + i, bytes), GR_FOREVER),
            GR_OK);
    }
}
