/*
 * A registry: the long-lived actors of a program, started in order, found by name, and stopped in reverse.
 *
 *     err = gr_registry_new(sys, &app, &registry);
 *     err = err != GR_OK ? err : gr_registry_add(registry, "database", &database_props);
 *     err = err != GR_OK ? err : gr_registry_add(registry, "mailer", &mailer_props);
 *     err = err != GR_OK ? err : gr_registry_start(registry);
 *
 * What the actors share is injected: the context given to gr_registry_new() is the arg of each whose props have none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_REGISTRY_H
#define GRANARY_REGISTRY_H

#include <granary/actor.h>

GR_BEGIN_DECLS

typedef struct gr_registry gr_registry;

/** How long gr_registry_start() waits for each actor that it stops again because another one did not start. */
enum { GR_REGISTRY_STOP_MS_DEFAULT = 10000 };

/**
 * A new registry without actors.
 *
 * Owns:    yours: gr_registry_free() it before the system. `context`, which may be NULL, stays yours and outlives the
 *          actors.
 * Errors:  GR_ENOMEM.
 * Thread:  any.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_registry_new(gr_system *sys, void *context,
                                            gr_registry **out_registry);

/**
 * Adds an actor, to be started after those added before. It will have no parent: its guardian is in its props.
 *
 * Owns:    copies `props` and `name`. With arg_free set, `props->arg` is taken on every path, and freed with the registry:
 *          the actor may be started several times. Without an arg it gets the context.
 * Errors:  GR_EINVAL a bad name or props, GR_EEXIST the registry has that name, GR_EBUSY the registry is not stopped,
 *          GR_ENOMEM.
 * Thread:  any, one at a time, and not while others look up.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_registry_add(gr_registry *registry, const char *name,
                                            const gr_props *props);

/**
 * Starts all actors in the order in which they were added, each when the started hook of the one before has returned; a
 * hook may look up those that are there. When one does not start, those before it are stopped in reverse order, and
 * nothing is left running. May be called again after gr_registry_stop().
 *
 * Owns:    nothing.
 * Errors:  GR_EBUSY it is not stopped; else what gr_spawn() said about the one that did not start, with its name.
 * Thread:  any. The started hooks run before this returns.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_registry_start(gr_registry *registry);

/**
 * Finds an actor of the registry by its name.
 *
 * Owns:    a value; it stays the same over restarts, until the actor ends.
 * Errors:  GR_ENOTFOUND the registry has none of that name, GR_EDEAD it has not been started, or has ended.
 * Thread:  any, hooks and handlers too.
 * Units:   none.
 */
GR_API GR_MUST_CHECK gr_err gr_registry_find(gr_registry *registry, const char *name,
                                             gr_pid *out_pid);

/**
 * Stops all actors in reverse order, each when the one after it has gone. Every one is asked to stop, whatever becomes of
 * the others; what goes wrong is logged as GR-REGISTRY-STOP. Stopping twice is harmless.
 *
 * Owns:    nothing.
 * Errors:  the first that went wrong: GR_ETIMEDOUT one did not end in time (the detail names it), GR_ENOMEM it could not be
 *          waited for; GR_EBUSY another thread starts or stops it.
 * Thread:  any. In a handler only the fiber waits; actors of the registry must not call it: they would wait for themselves.
 * Units:   milliseconds, for each actor; GR_FOREVER = no limit; with 0 or less all are asked to stop, and nobody is waited for.
 */
GR_API gr_err gr_registry_stop(gr_registry *registry, int64_t timeout_ms);

/**
 * Frees a registry, stopping it first (without a limit) when that has not been done. The args of actors that a
 * gr_registry_stop() has given up on are left behind, for they may still be touched.
 *
 * Owns:    takes the registry and returns NULL; NULL is fine.
 * Errors:  none.
 * Thread:  any but its own actors, and no other uses it any more.
 * Units:   none.
 */
GR_API gr_registry *gr_registry_free(gr_registry *take_registry);

GR_END_DECLS
#endif
