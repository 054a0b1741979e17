/*
 * Stacks of fibers by themselves: guarded, or from slabs; given back; used to their end. And an actor that overruns
 * its own, in a process of its own. Behaviour r18.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lab.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stack.h"

enum { BYTES = 64 * 1024, MANY = 300 };

static void stacks_beyond_the_limit_come_from_slabs(void **state)
{
    gri_stack stacks[MANY];
    size_t with_guard = 0;

    (void)state;
    gri_stack_limit_guarded(10);
    for (size_t i = 0; i < MANY; i++) {
        assert_true(gri_stack_map(BYTES, &stacks[i]));
        with_guard += stacks[i].slab == NULL;
        assert_true(stacks[i].bytes >= BYTES);
        assert_int_equal((uintptr_t)stacks[i].low % 16, 0);
        assert_true(gri_stack_intact(&stacks[i]));
        memset(stacks[i].low + 4096, (int)i, BYTES - 4096); /* whose is whose */
    }
    assert_int_equal(with_guard, 10);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(stacks[i].low[4096], (char)i);
        assert_int_equal(stacks[i].low[BYTES - 1], (char)i);
        assert_true(gri_stack_intact(&stacks[i]));
    }
    for (size_t i = 0; i < MANY; i++) { /* in another order */
        gri_stack_unmap(&stacks[i * 7 % MANY]);
    }
    gri_stack_limit_guarded(0);
}

static void a_stack_from_a_slab_that_was_used_to_its_end_is_not_intact(void **state)
{
    gri_stack stack;

    (void)state;
    gri_stack_limit_guarded(1);
    gri_stack first;
    assert_true(gri_stack_map(BYTES, &first));
    assert_true(gri_stack_map(BYTES, &stack));
    assert_non_null(stack.slab);
    stack.low[100] = 1;
    assert_false(gri_stack_intact(&stack));
    gri_stack_unmap(&stack);
    assert_true(gri_stack_map(BYTES, &stack));
    assert_true(gri_stack_intact(&stack)); /* the next user's is clean */
    gri_stack_unmap(&stack);
    gri_stack_unmap(&first);
    gri_stack_limit_guarded(0);
}

static void a_guard_page_is_below_the_stack(void **state)
{
    gri_stack stack;

    (void)state;
    assert_true(gri_stack_map(BYTES, &stack));
    assert_null(stack.slab);
    assert_true(gri_stack_guards(&stack, stack.low - 1));
    assert_false(gri_stack_guards(&stack, stack.low));
    assert_false(gri_stack_guards(&stack, stack.low + BYTES));
    assert_false(gri_stack_guards(&stack, NULL));
    gri_stack_unmap(&stack);
}

static void a_large_stack_is_always_guarded(void **state)
{
    gri_stack stack;
    gri_stack small;

    (void)state;
    gri_stack_limit_guarded(1);
    assert_true(gri_stack_map(BYTES, &small));
    assert_true(gri_stack_map((size_t)4 << 20, &stack));
    assert_null(stack.slab);
    gri_stack_unmap(&stack);
    gri_stack_unmap(&small);
    gri_stack_limit_guarded(0);
}

/* ---- an actor that goes too deep */

enum { FOR_EVER = 1000000, A_LITTLE = BYTES / 1024 }; /* kilobytes, and the frames have some more */

/* How the diver goes about it; set before anything runs. */
static struct plan {
    const char *name;
    bool stepped, without_guard;
    int depth;
} plan;

static __attribute__((noinline)) int dive(int level)
{
    volatile char frame[1024];

    for (size_t i = 0; i < sizeof(frame); i++) {
        frame[i] = (char)(level | 1);
    }
    return level == plan.depth ? 0 : dive(level + 1) + frame[5];
}

static gr_err wait_for_ever(gr_context *ctx)
{
    gr_future *never = NULL;
    gr_msg *reply = NULL;
    gr_err err = gr_future_new(gr_context_system(ctx), GR_FOREVER, &never);

    return err != GR_OK ? err : gr_await(never, GR_FOREVER, &reply);
}

static gr_err waiter_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)state;
    (void)msg;
    return wait_for_ever(ctx);
}

static gr_err diver_receive(gr_context *ctx, void *state, const gr_msg *msg)
{
    (void)state;
    (void)msg;
    return dive(0) == 0 ? GR_OK : wait_for_ever(ctx); /* its stack is left */
}

static const struct plan plans[] = {
    {"on threads", false, false, FOR_EVER},
    {"stepped", true, false, FOR_EVER},
    {"without a guard page, far", true, true, FOR_EVER},
    {"without a guard page, a little", true, true, A_LITTLE},
};

static int be_the_diver(const char *how)
{
    gr_system_options options = {.workers = 2};
    gr_props waiter = {.type_name = "waiter", .receive = waiter_receive};
    gr_props diver = {.type_name = "diver", .receive = diver_receive};
    gr_msg *reply = NULL;
    gr_system *sys = NULL;
    gr_pid pid = gr_pid_null();

    plan = plans[atoi(how)];
    gri_stack_limit_guarded(plan.without_guard ? 1 : 0);
    if (plan.stepped && gr_stepped_new(1, &options.stepped) != GR_OK) {
        return 1;
    }
    if (gr_system_new(&options, &sys) != GR_OK || gr_spawn(sys, &waiter, NULL, &pid) != GR_OK ||
        gr_send(sys, pid, lab_word_new(1)) != GR_OK) {
        return 1;
    }
    if (plan.stepped) { /* it waits on the lowest stack, and has the diver's above it */
        gr_stepped_run_until_idle(options.stepped);
    }
    if (gr_spawn(sys, &diver, "cousteau", &pid) != GR_OK) {
        return 1;
    }
    return gr_request(sys, pid, lab_word_new(1), GR_FOREVER, &reply) == GR_OK ? 0 : 1;
}

static char *own_path;

/* Runs this program as the diver; gives back how it ended, and what it said. */
static int watch_diver(const char *how, char *said, size_t bytes)
{
    int ends[2] = {-1, -1};
    size_t used = 0;
    ssize_t got = 0;
    int status = 0;
    pid_t child = -1;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)execl(own_path, own_path, how, (char *)NULL);
        _exit(99);
    }
    (void)close(ends[1]);
    while ((got = read(ends[0], said + used, bytes - 1 - used)) > 0) {
        used += (size_t)got;
    }
    said[used] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void r18_a_stack_overrun_names_the_actor_its_type_and_the_option(void **state)
{
    char said[16384];
    char how[4];

    (void)state;
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        int status = 0;

        if (plans[i].without_guard && lab_scaled(10) != 10) {
            continue; /* tools have stacks of another size, and something to say themselves */
        }
        (void)snprintf(how, sizeof(how), "%zu", i);
        status = watch_diver(how, said, sizeof(said));
        print_message("%s: %s", plans[i].name, said);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
        assert_non_null(strstr(said, "granary: diver actor cousteau overran its stack of "));
        assert_non_null(strstr(said, "gr_system_options.stack_bytes"));
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stacks_beyond_the_limit_come_from_slabs),
        cmocka_unit_test(a_stack_from_a_slab_that_was_used_to_its_end_is_not_intact),
        cmocka_unit_test(a_guard_page_is_below_the_stack),
        cmocka_unit_test(a_large_stack_is_always_guarded),
        cmocka_unit_test(r18_a_stack_overrun_names_the_actor_its_type_and_the_option),
    };

    own_path = argv[0];
    if (argc > 1) {
        return be_the_diver(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
