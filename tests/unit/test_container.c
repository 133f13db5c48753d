/* SPDX-License-Identifier: MIT */
/*
 * Container ids out of cgroup paths: what each runtime makes on each layout, and what only looks
 * like it.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proc/proc.h"

#define A "4f0d9fcc2a3f1b1f7d6c5e4b3a29181706f5e4d3c2b1a0998877665544332211"
#define B "b7a1c3d5e7f90123456789abcdef0123456789abcdef0123456789abcdef0123"
#define POD "0f7c5ad1-8b5c-4c3b-9d0e-2a1b3c4d5e6f"
#define POD_ "0f7c5ad1_8b5c_4c3b_9d0e_2a1b3c4d5e6f"
#define USER "/user.slice/user-1000.slice/user@1000.service"
#define HEX32 "4f0d9fcc2a3f1b1f7d6c5e4b3a291817"

struct sample {
	const char *path;
	const char *id; /* "" when it is in no container */
};

static const struct sample samples[] = {
	/* docker: cgroupfs and systemd driver, v1 and v2, rootless, another parent */
	{ "/docker/" A, A },
	{ "/docker/" A "/init.scope", A },
	{ "/docker/" A "/system.slice/nginx.service", A },
	{ "/system.slice/docker-" A ".scope", A },
	{ "/system.slice/docker-" A ".scope/init.scope", A },
	{ USER "/user.slice/docker-" A ".scope", A },
	{ "/build.slice/docker-" A ".scope", A },
	{ "/ci-jobs/" A, A },
	{ "/../docker-" A ".scope", A },
	{ "/system.slice/containerd.service/docker/" A, A },
	{ "/actions_job/" A, A },
	/* docker in docker, docker in lxc: the outer one */
	{ "/docker/" A "/docker/" B, A },
	{ "/system.slice/docker-" A ".scope/docker/" B, A },
	{ "/lxc.payload.web/system.slice/docker-" B ".scope", "web" },
	{ "/docker/" A "/kubelet/kubepods/burstable/pod" POD "/" B, A },
	/* containerd: nerdctl, ctr with an id, cri */
	{ "/default/" A, A },
	{ "/k8s.io/" A, A },
	{ "/system.slice/nerdctl-" A ".scope", A },
	{ USER "/user.slice/nerdctl-" A ".scope", A },
	/* kubernetes: each quality of service, each driver, each runtime */
	{ "/kubepods/burstable/pod" POD "/" A, A },
	{ "/kubepods/besteffort/pod" POD "/" A, A },
	{ "/kubepods/pod" POD "/" A, A },
	{ "/kubepods/burstable/pod" POD "/crio-" A, A },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_
	  ".slice/cri-containerd-" A ".scope",
	  A },
	{ "/kubepods.slice/kubepods-pod" POD_ ".slice/cri-containerd-" A ".scope", A },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" POD_ ".slice/crio-" A
	  ".scope",
	  A },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" POD_ ".slice/crio-" A
	  ".scope/container",
	  A },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_ ".slice/docker-" A
	  ".scope",
	  A },
	{ "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" POD_
	  ".slice/cri-containerd-" A ".scope",
	  A },
	{ "/system.slice/containerd.service/kubepods-besteffort-pod" POD_
	  ".slice:cri-containerd:" A,
	  A },
	{ "/kubepods-burstable-pod" POD_ ".slice:cri-containerd:" A, A },
	{ "/system.slice:docker:" A, A },
	{ "/kubepods/burstable/pod" POD, "" },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_ ".slice", "" },
	{ "/kubepods.slice", "" },
	/* cri-o alone */
	{ "/system.slice/crio-" A ".scope", A },
	{ "/machine.slice/crio-" A ".scope", A },
	{ "/machine.slice/crio-conmon-" A ".scope", "" },
	{ "/system.slice/crio.service", "" },
	/* podman: rootful, rootless, split, cgroupfs, in a pod; its monitor is not inside */
	{ "/machine.slice/libpod-" A ".scope", A },
	{ "/machine.slice/libpod-" A ".scope/container", A },
	{ "/machine.slice/libpod-" A ".scope/container/system.slice/sshd.service", A },
	{ USER "/user.slice/libpod-" A ".scope/container", A },
	{ "/machine.slice/machine-libpod_pod_" B ".slice/libpod-" A ".scope", A },
	{ USER "/user.slice/user-libpod_pod_" B ".slice/libpod-" A ".scope/container", A },
	{ "/system.slice/web.service/libpod-payload-" A, A },
	{ "/libpod_parent/libpod-" A, A },
	{ "/libpod_parent/" B "/libpod-" A, A },
	{ "/libpod_parent/" B, "" },
	{ "/libpod_parent/conmon", "" },
	{ "/machine.slice/libpod-conmon-" A ".scope", "" },
	{ "/machine.slice/machine-libpod_pod_" B ".slice", "" },
	/* systemd-nspawn and machined */
	{ "/machine.slice/machine-web.scope", "web" },
	{ "/machine.slice/machine-web.scope/payload/init.scope", "web" },
	{ "/machine.slice/machine-my\\x2dbox.scope/payload", "my\\x2dbox" },
	{ "/machine.slice/machine-fedora_39.1.scope", "fedora_39.1" },
	{ "/machine.slice/systemd-nspawn@web.service/payload", "web" },
	{ "/machine.slice/systemd-nspawn@my\\x2dbox.service", "my\\x2dbox" },
	{ "/machine.slice/systemd-nspawn@my-box.service/payload/init.scope", "my-box" },
	{ USER "/machine.slice/machine-web.scope/payload", "web" },
	{ "/machine.slice/machine-lxc\\x2d1234\\x2dbox.scope", "lxc\\x2d1234\\x2dbox" },
	{ "/machine.slice/machine-web.scope/supervisor", "" },
	{ "/machine.slice/systemd-nspawn@web.service/supervisor", "" },
	{ "/machine.slice/machine-qemu\\x2d1\\x2dwin10.scope", "" },
	{ "/machine.slice/machine-qemu\\x2d1\\x2dwin10.scope/libvirt/emulator", "" },
	{ "/user.slice/machine-web.scope", "" },
	{ "/machine.slice/machine-a-b.scope", "" },
	{ "/machine.slice/machine-a\\x2.scope", "" },
	{ "/machine.slice/machine-a\\x2g.scope", "" },
	{ "/machine.slice/machine-a\\.scope", "" },
	{ "/machine.slice/machine-.scope", "" },
	{ "/machine.slice", "" },
	/* lxc, lxd, incus, proxmox */
	{ "/lxc/web", "web" },
	{ "/lxc/101/ns/system.slice/sshd.service", "101" },
	{ "/lxc.payload/web/init.scope", "web" },
	{ "/lxc.payload.web", "web" },
	{ "/lxc.payload.web-1/user.slice", "web-1" },
	{ "/lxc.payload.project_web/init.scope", "project_web" },
	{ USER "/app.slice/lxc.payload.web", "web" },
	{ "/lxc.payload.outer/lxc.payload.inner", "outer" },
	{ "/lxc.monitor.web", "" },
	{ "/lxc.monitor/101", "" },
	{ "/lxc.pivot", "" },
	{ "/lxc", "" },
	{ "/lxc/", "" },
	{ "/lxc.payload.", "" },
	{ "/lxc/..", "" },
	/* no container at all */
	{ "", "" },
	{ "/", "" },
	{ "//", "" },
	{ "/init.scope", "" },
	{ "/system.slice/docker.service", "" },
	{ "/system.slice/containerd.service", "" },
	{ "/system.slice/ssh.service", "" },
	{ USER "/app.slice/app-gnome-terminal-1234.scope", "" },
	{ "/user.slice/user-1000.slice/session-3.scope", "" },
	{ "/docker", "" },
	{ "/docker/buildkit", "" },
	{ "docker", "" },
	/* made to look like it */
	{ "/docker-" HEX32 ".scope", "" },
	{ "/docker/" HEX32, "" },
	{ "/docker-" A "0.scope", "" },
	{ "/docker-" A ".service", "" },
	{ "/docker-" A, "" },
	{ "/docker-.scope", "" },
	{ "/docker.scope", "" },
	{ "/docker-4F0D9FCC2A3F1B1F7D6C5E4B3A29181706F5E4D3C2B1A0998877665544332211.scope", "" },
	{ "/xdocker-" A ".scope", "" },
	{ "/docker-" A ".scope ", "" },
	{ "/docker-" A ".scope\\012", "" },
	{ "/docker/" A "\n", "" },
	{ "/docker-g" A ".scope", "" },
	{ "/a:" A, "" },
	{ "/:" A, "" },
	{ "/a:b:" HEX32, "" },
	{ "/a::" A, A },
	{ "/lxc/a b", "" },
	{ "/lxc/\x1b[31m", "" },
	{ "/lxc/.hidden", "" },
};

START_TEST(test_samples)
{
	const struct sample *s = &samples[_i];
	const size_t len = strlen(s->path);
	/* In memory of just its size, without a NUL: the sanitizers and valgrind watch the end. */
	char *path = malloc(len ? len : 1);
	struct wire_span id;

	memcpy(path, s->path, len);
	id = proc_container_id(path, len);
	ck_assert_msg(id.len == strlen(s->id) && memcmp(id.data, s->id, id.len) == 0,
		      "\"%s\": \"%.*s\", not \"%s\"", s->path, (int)id.len, id.data, s->id);
	ck_assert(id.data >= path && id.data + id.len <= path + len);
	free(path);
}
END_TEST

/* Whatever is cut off or changed in a path, the answer lies in it. */
START_TEST(test_damaged)
{
	char path[512];
	size_t i, len, at;
	struct wire_span id;
	unsigned c;

	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		for (len = 0; len <= strlen(samples[i].path); len++) {
			memcpy(path, samples[i].path, len);
			id = proc_container_id(path, len);
			ck_assert(id.len <= len);
		}
		len = strlen(samples[i].path);
		for (at = i % 3; at < len; at += 3) {
			for (c = 0; c < 256; c += 51) {
				memcpy(path, samples[i].path, len);
				path[at] = (char)c;
				id = proc_container_id(path, len);
				ck_assert(id.len == 0 ||
					  (id.data >= path && id.data + id.len <= path + len));
				ck_assert(memchr(id.data, '/', id.len) == NULL);
			}
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("container");
	TCase *tc = tcase_create("paths");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, test_samples, 0, sizeof(samples) / sizeof(samples[0]));
	tcase_add_test(tc, test_damaged);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
