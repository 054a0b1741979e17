/*
 * The runtime layer: local actors. This is the one header an application includes for it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_RUNTIME_H
#define GRANARY_RUNTIME_H

#include <granary/actor.h>
#include <granary/behaviour.h>
#include <granary/error.h>
#include <granary/event.h>
#include <granary/future.h>
#include <granary/handlers.h>
#include <granary/message.h>
#include <granary/middleware.h>
#include <granary/passivation.h>
#include <granary/pid.h>
#include <granary/registry.h>
#include <granary/router.h>
#include <granary/supervisor.h>
#include <granary/system.h>
#include <granary/timer.h>

#endif
