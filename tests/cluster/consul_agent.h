/*
 * A real Consul agent for tests: in development mode, on free ports of the loopback, in a folder of its
 * own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRANARY_TESTS_CONSUL_AGENT_H
#define GRANARY_TESTS_CONSUL_AGENT_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct consul_agent {
    pid_t pid;
    int port;
    bool tls;
    char folder[64];
    char where[64]; /* "//127.0.0.1:PORT" */
} consul_agent;

/* The agent's program: $GRANARY_TEST_CONSUL, or consul on PATH; NULL when there is none. */
const char *consul_program(void);

/* Prepares a folder and a port. */
void consul_agent_init(consul_agent *agent);
/* Makes an authority and a certificate for "server.dc1.consul" in the folder; the agent then speaks
 * TLS. False when the program cannot. */
bool consul_agent_make_certificates(consul_agent *agent);
/* Starts it, at the same port each time, with the text as its configuration ("{}": none), and waits
 * until it answers. */
void consul_agent_start(consul_agent *agent, const char *config);
/* Keeps what it has, and sets it back to what was kept: a snapshot in its folder. */
void consul_agent_save(const consul_agent *agent);
void consul_agent_restore(const consul_agent *agent);
/* Kills it, by its pid, and waits for its end. What it knew is lost. */
void consul_agent_kill(consul_agent *agent);
void consul_agent_fini(consul_agent *agent);

/* The body that the agent answers to curl; freed by the caller. `method` "GET" or "PUT". */
char *consul_agent_ask(const consul_agent *agent, const char *method, const char *path,
                       const char *body);

#endif
