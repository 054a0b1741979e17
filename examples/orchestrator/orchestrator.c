/*
 * A task orchestrator of four long-lived actors, each with a table of typed handlers, in a registry that starts them in order
 * and stops them in reverse:
 *
 *   task-request      takes a task, a graph of steps that depend on each other, and has its first steps enqueued
 *   step-enqueuer     claims every step that can be done now and gives it to a worker
 *   result-processor  records results; a step that failed is tried again after a pause that doubles, up to three times
 *   task-finalizer    claims a task that is over and says so to whoever sent it: once, however often it is asked to
 *
 * What is known of tasks is in a table that they share (tasks.c) and not in the actors: when the result processor is started
 * anew it finds there what it was going to try again. Without an argument all of it runs on threads; with `--seed N` under a
 * stepper, which gives the same output for the same number.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <granary/runtime.h>
#include <granary/runtime_spi.h>

#include "tasks.h"

enum { WORKERS = 3 };

/* What all share; the arg of each actor of the registry. */
typedef struct app {
    gr_registry *registry;
    tasks tasks;
} app;

/* ---- messages */

typedef struct submit {
    const graph *plan;
    gr_pid done; /* gets a `finished` */
} submit;

typedef struct accepted {
    int task;
} accepted;

typedef struct task_number {
    int task;
} task_number;

typedef struct result {
    attempt of;
    bool succeeded;
} result;

typedef struct finished {
    bool succeeded;
} finished;

static const gr_type submit_type = GR_TYPE(submit);
static const gr_type accepted_type = GR_TYPE(accepted);
static const gr_type enqueue_type = {.name = "enqueue", .bytes = sizeof(task_number)};
static const gr_type finalize_type = {.name = "finalize", .bytes = sizeof(task_number)};
static const gr_type work_type = {.name = "work", .bytes = sizeof(attempt)};
static const gr_type retry_type = {.name = "retry", .bytes = sizeof(attempt)};
static const gr_type result_type = GR_TYPE(result);
static const gr_type finished_type = GR_TYPE(finished);

GR_PAYLOAD(submit_type, submit);
GR_PAYLOAD(accepted_type, accepted);
GR_PAYLOAD(enqueue_type, task_number);
GR_PAYLOAD(finalize_type, task_number);
GR_PAYLOAD(work_type, attempt);
GR_PAYLOAD(retry_type, attempt);
GR_PAYLOAD(result_type, result);

/* A message with a copy of `payload`, which is as large as the type says. */
static gr_msg *message(const gr_type *type, const void *payload)
{
    gr_msg *msg = gr_msg_new(type);

    if (msg != NULL) {
        memcpy(gr_msg_payload(msg), payload, type->bytes);
    }
    return msg; /* sending NULL is refused as GR_ENOMEM: no need to look here */
}

/* To an actor of the registry. */
static gr_err tell(gr_context *ctx, const app *shared, const char *name, gr_msg *take_msg)
{
    gr_pid pid = gr_pid_null();
    gr_err err = gr_registry_find(shared->registry, name, &pid);

    if (err != GR_OK) {
        gr_msg_unref(take_msg);
        return err;
    }
    return gr_send(gr_context_system(ctx), pid, take_msg);
}

static const char *step_name(app *shared, attempt which)
{
    return tasks_plan(&shared->tasks, which.task)->steps[which.step].name;
}

/* ---- task-request */

static gr_err on_submit(gr_context *ctx, app *shared, const submit *wanted, accepted *reply)
{
    gr_err err = tasks_add(&shared->tasks, wanted->plan, wanted->done, &reply->task);
    task_number which = {reply->task};

    if (err != GR_OK) {
        return err; /* the answer, in the words of tasks_add() */
    }
    printf("task-request: %s has %d steps\n", wanted->plan->name, wanted->plan->count);
    return tell(ctx, shared, "step-enqueuer", message(&enqueue_type, &which));
}

#define TASK_REQUEST(ASK, TELL) ASK(submit_type, accepted_type, on_submit)
GR_HANDLERS(task_request_receive, app, TASK_REQUEST, NULL);

/* ---- step-enqueuer, and the workers, which are its children */

typedef struct enqueuer {
    gr_pid workers[WORKERS];
    unsigned next;
} enqueuer;

static gr_err on_work(gr_context *ctx, app *shared, const attempt *which)
{
    const step_plan *plan = &tasks_plan(&shared->tasks, which->task)->steps[which->step];
    result made = {*which, which->number > plan->failures};
    gr_err err = tell(ctx, shared, "result-processor", message(&result_type, &made));

    if (err == GR_OK && plan->stutters) { /* as one would that is not sure whether it arrived */
        err = tell(ctx, shared, "result-processor", message(&result_type, &made));
    }
    return err;
}

#define WORKER(ASK, TELL) TELL(work_type, on_work)
GR_HANDLERS(worker_receive, app, WORKER, NULL);

static gr_err enqueuer_started(gr_context *ctx, void *state)
{
    const gr_props props = {
        .type_name = "worker", .receive = worker_receive, .arg = gr_context_arg(ctx)};
    enqueuer *self = state;
    gr_err err = GR_OK;

    for (int i = 0; err == GR_OK && i < WORKERS; i++) {
        err = gr_spawn_child(ctx, &props, NULL, &self->workers[i]);
    }
    return err;
}

static gr_err on_enqueue(gr_context *ctx, enqueuer *self, const task_number *what)
{
    app *shared = gr_context_arg(ctx);
    gr_err err = GR_OK;
    attempt which;

    while (err == GR_OK && tasks_claim_step(&shared->tasks, what->task, &which)) {
        printf("step-enqueuer: %s, attempt %d\n", step_name(shared, which), which.number);
        err = gr_send_wait(gr_context_system(ctx), self->workers[self->next++ % WORKERS],
                           message(&work_type, &which), GR_FOREVER);
    }
    return err;
}

#define STEP_ENQUEUER(ASK, TELL) TELL(enqueue_type, on_enqueue)
GR_HANDLERS(step_enqueuer_receive, enqueuer, STEP_ENQUEUER, NULL);

/* ---- result-processor */

static gr_err try_later(gr_context *ctx, const attempt *which, int64_t delay_ms)
{
    gr_timer_id timer;

    return gr_timer_start(ctx, delay_ms, 0, message(&retry_type, which), &timer);
}

/* Timers end with a restart; what they were for is in the table. */
static gr_err processor_started(gr_context *ctx, void *state)
{
    app *shared = state;
    gr_err err = GR_OK;
    attempt which;

    for (int n = 0; err == GR_OK && tasks_delayed(&shared->tasks, n, &which); n++) {
        err = try_later(ctx, &which, FIRST_DELAY_MS);
    }
    return err;
}

static gr_err on_result(gr_context *ctx, app *shared, const result *made)
{
    progress now = tasks_record(&shared->tasks, made->of, made->succeeded);
    task_number which = {made->of.task};

    if (!now.known) {
        printf("result-processor: %s %s\n", step_name(shared, made->of),
               made->succeeded ? "is done" : "has failed");
    }
    if (now.delay_ms > 0) {
        return try_later(ctx, &made->of, now.delay_ms);
    }
    if (now.over) { /* also when it was known: whoever is told decides whether it is news */
        return tell(ctx, shared, "task-finalizer", message(&finalize_type, &which));
    }
    return tell(ctx, shared, "step-enqueuer", message(&enqueue_type, &which));
}

static gr_err on_retry(gr_context *ctx, app *shared, const attempt *of)
{
    task_number which = {of->task};

    tasks_reopen(&shared->tasks, *of);
    return tell(ctx, shared, "step-enqueuer", message(&enqueue_type, &which));
}

#define RESULT_PROCESSOR(ASK, TELL)                                                                \
    TELL(result_type, on_result)                                                                   \
    TELL(retry_type, on_retry)
GR_HANDLERS(result_processor_receive, app, RESULT_PROCESSOR, NULL);

/* ---- task-finalizer */

static gr_err on_finalize(gr_context *ctx, app *shared, const task_number *what)
{
    const char *name = tasks_plan(&shared->tasks, what->task)->name;
    gr_pid done = gr_pid_null();
    finished outcome = {false};

    if (!tasks_claim_end(&shared->tasks, what->task, &done, &outcome.succeeded)) {
        printf("task-finalizer: %s has been finalized before\n", name);
        return GR_OK;
    }
    printf("task-finalizer: %s\n", name);
    return gr_send(gr_context_system(ctx), done, message(&finished_type, &outcome));
}

#define TASK_FINALIZER(ASK, TELL) TELL(finalize_type, on_finalize)
GR_HANDLERS(task_finalizer_receive, app, TASK_FINALIZER, NULL);

/* ---- putting it together */

/* In this order, so that nobody gets work before those who take it from there are up; it ends the other way round. */
static gr_err start(app *shared)
{
    static const gr_supervision guardian = {.backoff = {.min_ms = 100, .max_ms = 5000}};
    const gr_props finalizer = {
        .type_name = "task-finalizer", .receive = task_finalizer_receive, .guardian = &guardian};
    const gr_props processor = {.type_name = "result-processor",
                                .started = processor_started,
                                .receive = result_processor_receive,
                                .guardian = &guardian};
    const gr_props step_enqueuer = {.type_name = "step-enqueuer",
                                    .started = enqueuer_started,
                                    .receive = step_enqueuer_receive,
                                    .state_bytes = sizeof(enqueuer),
                                    .guardian = &guardian};
    const gr_props request = {
        .type_name = "task-request", .receive = task_request_receive, .guardian = &guardian};
    gr_err err = gr_registry_add(shared->registry, "task-finalizer", &finalizer);

    err = err != GR_OK ? err : gr_registry_add(shared->registry, "result-processor", &processor);
    err = err != GR_OK ? err : gr_registry_add(shared->registry, "step-enqueuer", &step_enqueuer);
    err = err != GR_OK ? err : gr_registry_add(shared->registry, "task-request", &request);
    return err != GR_OK ? err : gr_registry_start(shared->registry);
}

/* Waits until the task is over, and says how. */
static gr_err wait_for(const graph *plan, gr_future *done)
{
    gr_msg *reply = NULL;
    gr_err err = gr_await(done, GR_FOREVER, &reply);

    if (err == GR_OK) {
        const finished *outcome = gr_msg_read(reply, &finished_type);

        printf("%s: %s\n", plan->name, outcome->succeeded ? "done" : "failed");
    }
    gr_msg_unref(reply);
    return err;
}

static gr_err run(gr_system *sys, app *shared)
{
    static const graph plans[] = {
        {"report",
         4,
         {{"fetch-sales", 0, 0, false},
          {"fetch-rates", 0, 1, false}, /* fails once */
          {"join", 1 << 0 | 1 << 1, 0, false},
          {"print", 1 << 2, 0, true}}},
        {"import", 2, {{"load", 0, 0, false}, {"check", 1 << 0, ATTEMPTS_MAX, false}}},
        {"loop", 2, {{"hen", 1 << 1, 0, false}, {"egg", 1 << 0, 0, false}}},
    };
    gr_future *done[3] = {NULL, NULL, NULL};
    gr_pid request = gr_pid_null();
    gr_err err = gr_registry_find(shared->registry, "task-request", &request);

    for (int i = 0; err == GR_OK && i < 3; i++) {
        err = gr_future_new(sys, GR_FOREVER, &done[i]);
        if (err == GR_OK) {
            submit wanted = {&plans[i], gr_future_pid(done[i])};
            gr_msg *reply = NULL;

            err = gr_request(sys, request, message(&submit_type, &wanted), GR_FOREVER, &reply);
            gr_msg_unref(reply);
        }
        if (err == GR_EINVAL) {
            printf("%s: refused, %s\n", plans[i].name, gr_last_error()->text);
            done[i] = gr_future_unref(done[i]);
            err = GR_OK;
        }
    }
    for (int i = 0; i < 3; i++) {
        if (err == GR_OK && done[i] != NULL) {
            err = wait_for(&plans[i], done[i]);
        }
        gr_future_unref(done[i]);
    }
    return err;
}

/* On threads, or, with a seed, under a stepper. */
static int orchestrate(const uint64_t *seed)
{
    app shared = {.registry = NULL};
    gr_stepped *stepped = NULL;
    gr_system_options options = {.name = "orchestrator"};
    gr_system *sys = NULL;
    gr_err err = GR_OK;

    setvbuf(stdout, NULL, _IOLBF, 0);
    tasks_init(&shared.tasks);
    if (seed != NULL) {
        err = gr_stepped_new(*seed, &stepped);
        options.stepped = stepped;
    }
    err = err != GR_OK ? err : gr_system_new(&options, &sys);
    err = err != GR_OK ? err : gr_registry_new(sys, &shared, &shared.registry);
    err = err != GR_OK ? err : start(&shared);
    err = err != GR_OK ? err : run(sys, &shared);
    if (err != GR_OK) {
        fprintf(stderr, "orchestrator: %s (%s)\n", gr_last_error()->text, gr_err_name(err));
    }
    gr_registry_free(shared.registry); /* stops its actors, the last one first */
    gr_system_free(sys);
    gr_stepped_free(stepped);
    tasks_fini(&shared.tasks);
    return err == GR_OK ? 0 : 1;
}

static bool parse_seed(const char *word, uint64_t *out_seed)
{
    char *end = NULL;

    errno = 0;
    *out_seed = strtoull(word, &end, 10);
    return isdigit((unsigned char)*word) && *end == '\0' && errno == 0;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: orchestrator [--seed N]\n";
    uint64_t seed = 0;

    if (argc == 1) {
        return orchestrate(NULL);
    }
    if (strcmp(argv[1], "--help") == 0) {
        printf("%s", usage);
        return 0;
    }
    if (strcmp(argv[1], "--seed") != 0 || argc > 3) {
        fprintf(stderr, "orchestrator: '%s' is not known\n%s",
                strcmp(argv[1], "--seed") == 0 ? argv[3] : argv[1], usage);
        return 2;
    }
    if (argc == 2 || !parse_seed(argv[2], &seed)) {
        fprintf(stderr, "orchestrator: --seed is '%s', but is a number from 0 to %" PRIu64 "\n%s",
                argc == 2 ? "" : argv[2], UINT64_MAX, usage);
        return 2;
    }
    return orchestrate(&seed);
}
