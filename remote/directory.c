/*
 * The directory: what this process has published by name, and the process at the remote layer's
 * well-known slot that answers look-ups of others. Names have a lock of their own, which is not held
 * while anything is sent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <granary/wire.pb-c.h>

#include <gri/fail.h>
#include <gri/mem.h>

#include "hash.h"
#include "remote_internal.h"

static const gr_type find_type =
    GR_PROTO_TYPE("granary.Find", Granary__Find, granary__find__descriptor);
static const gr_type found_type =
    GR_PROTO_TYPE("granary.Found", Granary__Found, granary__found__descriptor);

struct gri_published {
    char *name;
    gr_pid pid;
    bool added;
    UT_hash_handle hh;
};

static struct gri_published *find_locked(gr_remote *remote, const char *name)
{
    struct gri_published *published = NULL;

    HASH_FIND_STR(remote->published, name, published);
    return published;
}

static void free_published(struct gri_published *published)
{
    if (published != NULL) {
        gri_free(published->name);
        gri_free(published);
    }
}

static bool is_name(const char *name)
{
    return name != NULL && name[0] != '\0' && strlen(name) <= GR_NAME_BYTES_MAX;
}

static gr_err publish_locked(gr_remote *remote, struct gri_published **take_published)
{
    struct gri_published *published = *take_published;

    if (find_locked(remote, published->name) != NULL) {
        return GRI_FAIL(GR_EEXIST, "something is published as \"%s\" already", published->name);
    }
    published->added = true;
    HASH_ADD_KEYPTR(hh, remote->published, published->name, strlen(published->name), published);
    if (!published->added) {
        return GRI_FAIL(GR_ENOMEM, "publishing \"%s\"", published->name);
    }
    *take_published = NULL;
    return GR_OK;
}

gr_err gr_remote_publish(gr_remote *remote, const char *name, gr_pid pid)
{
    struct gri_published *published = NULL;
    gr_err err = GR_OK;

    if (!is_name(name) || gr_pid_is_null(pid)) {
        return GRI_FAIL(GR_EINVAL, "publishing needs a pid and a name of 1 to %d bytes",
                        GR_NAME_BYTES_MAX);
    }
    published = gri_calloc(1, sizeof(*published));
    if (published == NULL || (published->name = gri_strdup(name)) == NULL) {
        free_published(published);
        return GRI_FAIL(GR_ENOMEM, "publishing \"%s\"", name);
    }
    published->pid = pid;
    pthread_mutex_lock(&remote->names_lock);
    err = publish_locked(remote, &published);
    pthread_mutex_unlock(&remote->names_lock);
    free_published(published);
    return err;
}

/* ---- answering ---- */

static gr_msg *answer_to(gr_remote *remote, const char *name)
{
    Granary__Found found = GRANARY__FOUND__INIT;
    Granary__Pid pid = GRANARY__PID__INIT;
    struct gri_published *published = NULL;
    gr_msg *msg = NULL;
    char text[GR_ERROR_TEXT_BYTES];

    pthread_mutex_lock(&remote->names_lock);
    published = find_locked(remote, name);
    if (published != NULL) {
        pid.node = published->pid.node;
        pid.slot = published->pid.slot;
        pid.generation = published->pid.generation;
    }
    pthread_mutex_unlock(&remote->names_lock);
    if (published == NULL) {
        (void)snprintf(text, sizeof(text), "nothing is published as \"%.100s\"", name);
        return gr_msg_new_error(GR_ENOTFOUND, text);
    }
    found.pid = &pid;
    return gr_msg_new_proto(&found_type, &found, &msg) == GR_OK ? msg : NULL;
}

static void deliver(void *self, gr_pid pid, gr_msg *take_msg)
{
    gr_remote *remote = self;
    const Granary__Find *find = gr_msg_read(take_msg, &find_type);
    gr_pid asker = gr_msg_sender(take_msg);
    gr_msg *answer = NULL;

    (void)pid;
    if (!gr_pid_is_null(asker)) {
        answer = find == NULL ? gr_msg_new_error(GR_EINVAL, "only granary.Find is answered here")
                              : answer_to(remote, find->name);
        if (answer != NULL) {
            (void)gr_send(remote->sys, asker, answer);
        }
    }
    (void)gr_msg_unref(take_msg);
}

static void closed(void *self)
{
    gri_remote_unref(self);
}

static const gr_process_ops directory_ops = {
    .version = GR_PROCESS_VERSION, .type_name = "directory", .deliver = deliver, .closed = closed};

gr_err gri_directory_open(gr_remote *remote)
{
    gr_err err = gri_types_add(&remote->types, &find_type);

    if (err == GR_OK) {
        err = gri_types_add(&remote->types, &found_type);
    }
    if (err == GR_OK) {
        (void)gri_remote_ref(remote); /* the process's */
        err = gr_process_open(remote->sys, &directory_ops, remote, GR_SLOT_REMOTE, &remote->self);
        if (err != GR_OK) {
            gri_remote_unref(remote);
        }
    }
    return err;
}

void gri_directory_close(gr_remote *remote)
{
    if (!gr_pid_is_null(remote->self)) {
        gr_process_close(remote->sys, remote->self);
        remote->self = gr_pid_null();
    }
}

void gri_directory_fini(gr_remote *remote)
{
    struct gri_published *published = NULL, *next = NULL;

    HASH_ITER(hh, remote->published, published, next)
    {
        HASH_DEL(remote->published, published);
        free_published(published);
    }
}

/* ---- asking ---- */

gr_err gr_remote_find(gr_remote *remote, const char *address, const char *name, int64_t timeout_ms,
                      gr_pid *out_pid)
{
    gr_system *sys = remote->sys; /* the remote may go while we wait */
    Granary__Find find = GRANARY__FIND__INIT;
    const Granary__Found *found = NULL;
    int64_t began_ms = gr_system_now(sys);
    gr_msg *msg = NULL, *reply = NULL;
    uint64_t node = 0;
    gr_err err = GR_OK;

    if (!is_name(name)) {
        return GRI_FAIL(GR_EINVAL, "a published name has 1 to %d bytes", GR_NAME_BYTES_MAX);
    }
    err = gr_remote_connect(remote, address, timeout_ms, &node);
    if (err != GR_OK) {
        return err;
    }
    find.name = (char *)(uintptr_t)name;
    err = gr_msg_new_proto(&find_type, &find, &msg);
    if (err != GR_OK) {
        return err;
    }
    if (timeout_ms != GR_FOREVER) {
        timeout_ms -= gr_system_now(sys) - began_ms;
        timeout_ms = timeout_ms < 1 ? 1 : timeout_ms;
    }
    err = gr_request(sys, gr_pid_well_known(node, GR_SLOT_REMOTE), msg, timeout_ms, &reply);
    if (err != GR_OK) {
        return err;
    }
    found = gr_msg_read(reply, &found_type);
    if (found == NULL || found->pid == NULL) {
        err = GRI_FAIL(GR_EPROTO, "%s answered a look-up with something else", address);
    } else {
        *out_pid = (gr_pid){found->pid->node, found->pid->slot, found->pid->generation};
    }
    (void)gr_msg_unref(reply);
    return err;
}
