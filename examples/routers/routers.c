/*
 * Many actors behind one pid. A post office has three counters behind one queue: a pool of clerks that take turns, and a new one
 * when one of them is sent home. Letters are sorted by their streets, so that each street has a postman of its own: when a
 * postman is added, he takes over some streets, and all others stay with whom they had. An announcement goes to everybody.
 *
 * What is told to a router is handed to a member in the sender's own thread, and the answer comes straight from the member. The
 * system runs under a seed, in one thread, so that this prints the same every time; without the stepper it is as good a program.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <granary/runtime.h>
#include <granary/runtime_spi.h> /* gr_stepped */

enum { CLERKS = 3, POSTMEN = 4, STREETS = 200 };

typedef struct letter {
    char street[24];
} letter;

typedef struct receipt {
    int number; /* of the clerk or the postman */
} receipt;

static const gr_type letter_type = GR_TYPE(letter);
static const gr_type receipt_type = GR_TYPE(receipt);
static const gr_type announcement_type = {.name = "announcement"};

/* Ends the program, saying where and why. */
static void must(gr_err err, const char *what)
{
    if (err != GR_OK) {
        fprintf(stderr, "routers: %s: %s (%s)\n", what, gr_last_error()->text, gr_err_name(err));
        exit(1);
    }
}

/* ---- clerks and postmen */

/* How many there have been; shared by all of a kind. Each takes the next number when it starts. */
typedef struct staff {
    const char *title;
    int hired;
} staff;

typedef struct person {
    int number;
} person;

static gr_err person_started(gr_context *ctx, void *state)
{
    staff *all = gr_context_arg(ctx);

    ((person *)state)->number = ++all->hired;
    return GR_OK;
}

static gr_err person_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    const staff *all = gr_context_arg(ctx);
    const person *self = state;
    gr_msg *answer = NULL;

    if (gr_msg_type(msg) == &announcement_type) {
        printf("%s %d has heard it\n", all->title, self->number);
        return GR_OK;
    }
    if (gr_msg_read(msg, &letter_type) == NULL) {
        return gr_fail(GR_ENOTYPE, "a %s takes letters, no %s", all->title, gr_msg_type(msg)->name);
    }
    answer = gr_msg_new(&receipt_type);
    if (answer != NULL) {
        ((receipt *)gr_msg_payload(answer))->number = self->number;
    }
    return gr_respond(ctx, answer);
}

/* The number of whoever has taken a letter for a street. */
static int post(gr_system *sys, gr_pid to, const char *street)
{
    gr_msg *msg = gr_msg_new(&letter_type);
    gr_msg *reply = NULL;
    int number = 0;

    if (msg != NULL) {
        (void)snprintf(((letter *)gr_msg_payload(msg))->street, sizeof(((letter *)0)->street), "%s",
                       street);
    }
    must(gr_request(sys, to, msg, 5000, &reply), "posting a letter");
    number = ((const receipt *)gr_msg_read(reply, &receipt_type))->number;
    reply = gr_msg_unref(reply);
    return number;
}

/* ---- the counters: a pool that takes turns */

static gr_pid open_counters(gr_stepped *stepped, gr_system *sys)
{
    static staff clerks = {"clerk", 0};
    const gr_props clerk = {.type_name = "clerk",
                            .started = person_started,
                            .receive = person_receive,
                            .state_bytes = sizeof(person),
                            .arg = &clerks};
    const gr_router_options options = {
        .route = GR_ROUTE_ROUND_ROBIN, .pool = &clerk, .pool_size = CLERKS};
    gr_pid counters = gr_pid_null(), members[CLERKS];
    size_t count = 0;

    must(gr_router_spawn(sys, &options, "counters", &counters), "opening the counters");
    for (int i = 0; i < 2 * CLERKS; i++) {
        printf("letter %d: clerk %d\n", i + 1, post(sys, counters, "Main Street"));
    }
    must(gr_router_members(sys, counters, members, CLERKS, &count), "listing the clerks");
    gr_send_stop(sys, members[1]);
    printf("clerk 2 goes home\n");
    gr_stepped_run_until_idle(stepped); /* the pool hears of it, and hires another */
    for (int i = 0; i < CLERKS; i++) {
        printf("letter %d: clerk %d\n", 2 * CLERKS + i + 1, post(sys, counters, "Main Street"));
    }
    return counters;
}

/* ---- the postmen: a group, by street */

static gr_route_key street_of(const gr_msg *msg, void *arg)
{
    const letter *sorted = gr_msg_read(msg, &letter_type);

    (void)arg;
    return sorted == NULL ? (gr_route_key){NULL, 0}
                          : (gr_route_key){sorted->street, strlen(sorted->street)};
}

static void deliver(gr_system *sys)
{
    static staff postmen = {"postman", 0};
    const gr_props postman = {.type_name = "postman",
                              .started = person_started,
                              .receive = person_receive,
                              .state_bytes = sizeof(person),
                              .arg = &postmen};
    const gr_router_options by_street = {.route = GR_ROUTE_CONSISTENT_HASH, .key = street_of};
    gr_pid sorting = gr_pid_null(), one = gr_pid_null();
    int before[STREETS], same = 0, moved = 0, elsewhere = 0;

    must(gr_router_spawn(sys, &by_street, "sorting", &sorting), "sorting");
    for (int i = 0; i < POSTMEN; i++) {
        must(gr_spawn(sys, &postman, NULL, &one), "hiring a postman");
        must(gr_router_add(sys, sorting, one), "hiring a postman");
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < STREETS; i++) {
            char street[sizeof(((letter *)0)->street)];
            int number = 0;

            (void)snprintf(street, sizeof(street), "Street %d", i);
            number = post(sys, sorting, street);
            if (round == 0) {
                before[i] = number;
            } else if (number == before[i]) {
                same++;
            } else if (number == POSTMEN + 1) {
                moved++;
            } else {
                elsewhere++;
            }
        }
        must(gr_spawn(sys, &postman, NULL, &one), "hiring a postman");
        must(gr_router_add(sys, sorting, one), "hiring a postman");
    }
    printf("%d streets: %d go to postman %d now, %d stay, %d go elsewhere\n", STREETS, moved,
           POSTMEN + 1, same, elsewhere);
}

/* ---- everybody */

static void announce(gr_system *sys, gr_pid counters)
{
    gr_pid clerks[CLERKS];
    gr_pid everybody = gr_pid_null();
    gr_router_options options = {.route = GR_ROUTE_BROADCAST, .members = clerks};

    must(gr_router_members(sys, counters, clerks, CLERKS, &options.members_count), "listing");
    must(gr_router_spawn(sys, &options, "everybody", &everybody), "calling everybody");
    must(gr_send(sys, everybody, gr_msg_new(&announcement_type)), "announcing");
}

static int run_the_post_office(void)
{
    gr_system_options options = {.name = "post office"};
    gr_stepped *stepped = NULL;
    gr_system *sys = NULL;
    gr_pid counters;

    must(gr_stepped_new(1, &stepped), "starting");
    options.stepped = stepped;
    must(gr_system_new(&options, &sys), "starting");
    counters = open_counters(stepped, sys);
    deliver(sys);
    announce(sys, counters);
    gr_send_poison(sys, counters); /* closes when all that was sent before has been handled */
    gr_stepped_run_until_idle(stepped);
    must(gr_system_stop(sys, 5000), "stopping");
    sys = gr_system_free(sys);
    stepped = gr_stepped_free(stepped);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        return run_the_post_office();
    }
    if (strcmp(argv[1], "--help") == 0) {
        printf("usage: routers\n");
        return 0;
    }
    fprintf(stderr, "routers: '%s' is not known, it takes no arguments\nusage: routers\n", argv[1]);
    return 2;
}
