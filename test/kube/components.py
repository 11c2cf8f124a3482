"""The command lines and configurations of Kubernetes' programs. A machine's certificates are in
its /mnt/pki; JSON is YAML too."""

import json

import containerd

DOMAIN = "cluster.local"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
# Of kube-controller-manager, for networks that want a range per node. Weft does not, and its
# own is another: a test that passes by accident with this one would be found out.
POD_RANGE = "10.244.0.0/16"
API_PORT = 6443
PKI = "/mnt/pki"
ISSUER = f"https://kubernetes.default.svc.{DOMAIN}"


def flags(program, **values):
    return [program, *(f"--{name.replace('_', '-')}={value}" for name, value in values.items())]


def etcd():
    return flags("etcd", data_dir="/mnt/etcd", listen_client_urls="http://127.0.0.1:2379",
                 advertise_client_urls="http://127.0.0.1:2379",
                 listen_peer_urls="http://127.0.0.1:2380", log_level="warn",
                 quota_backend_bytes=256 << 20) + ["--unsafe-no-fsync"]


def apiserver(program, address):
    return flags(
        program, advertise_address=address, secure_port=API_PORT,
        etcd_servers="http://127.0.0.1:2379", authorization_mode="Node,RBAC",
        enable_admission_plugins="NodeRestriction", anonymous_auth="false",
        allow_privileged="true", client_ca_file=f"{PKI}/ca.crt",
        tls_cert_file=f"{PKI}/apiserver.crt", tls_private_key_file=f"{PKI}/apiserver.key",
        kubelet_certificate_authority=f"{PKI}/ca.crt",
        kubelet_client_certificate=f"{PKI}/kubelet-client.crt",
        kubelet_client_key=f"{PKI}/kubelet-client.key",
        kubelet_preferred_address_types="InternalIP,Hostname",
        service_account_issuer=ISSUER, service_account_key_file=f"{PKI}/sa.pub",
        service_account_signing_key_file=f"{PKI}/sa.key",
        requestheader_client_ca_file=f"{PKI}/front-proxy-ca.crt",
        requestheader_allowed_names="front-proxy-client",
        requestheader_extra_headers_prefix="X-Remote-Extra-",
        requestheader_group_headers="X-Remote-Group",
        requestheader_username_headers="X-Remote-User",
        proxy_client_cert_file=f"{PKI}/front-proxy-client.crt",
        proxy_client_key_file=f"{PKI}/front-proxy-client.key",
        service_cluster_ip_range=SERVICE_RANGE, profiling="false")


def with_kubeconfig(program, path, **values):
    return flags(program, kubeconfig=path, authentication_kubeconfig=path,
                 authorization_kubeconfig=path, leader_elect="false", profiling="false",
                 **values)


def controller_manager(program):
    """A node that is away is found out in 20 s instead of 50."""
    return with_kubeconfig(
        program, f"{PKI}/controller-manager.conf", use_service_account_credentials="true",
        allocate_node_cidrs="true", cluster_cidr=POD_RANGE, node_cidr_mask_size=24,
        service_cluster_ip_range=SERVICE_RANGE, root_ca_file=f"{PKI}/ca.crt",
        service_account_private_key_file=f"{PKI}/sa.key",
        cluster_signing_cert_file=f"{PKI}/ca.crt", cluster_signing_key_file=f"{PKI}/ca.key",
        node_monitor_period="2s", node_monitor_grace_period="20s")


def scheduler(program):
    return with_kubeconfig(program, f"{PKI}/scheduler.conf")


def kubelet_config(name):
    """oomScoreAdj: less than our own is refused where root lacks CAP_SYS_RESOURCE. failCgroupV1:
    kubelet 1.35 begins to refuse control groups of version 1. volumePluginDir: the default is
    in /usr, which is the host's."""
    return json.dumps({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                           "x509": {"clientCAFile": f"{PKI}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{PKI}/{name}.crt", "tlsPrivateKeyFile": f"{PKI}/{name}.key",
        "containerRuntimeEndpoint": f"unix://{containerd.SOCKET}",
        "cgroupDriver": "cgroupfs", "failCgroupV1": False, "failSwapOn": False,
        "oomScoreAdj": 0, "clusterDNS": [DNS_SERVICE], "clusterDomain": DOMAIN,
        "resolvConf": "/etc/resolv.conf", "volumePluginDir": "/var/lib/kubelet/plugins-exec",
        "imageGCHighThresholdPercent": 100, "nodeStatusUpdateFrequency": "5s",
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%",
                         "nodefs.inodesFree": "1%", "imagefs.available": "1%"}})


def proxy_config(name, mode, pod_range=""):
    """`pod_range`: whose packets to Services keep their source; all do when it is empty, as after
    a bare `kubeadm init`. conntrack stands at the top and not below `linux`, where version
    v1alpha1 does not see it: kube-proxy would set nf_conntrack_max, the host's, and exit."""
    return json.dumps({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
        "mode": mode, "clusterCIDR": pod_range,
        "clientConnection": {"kubeconfig": f"{PKI}/kube-proxy.conf"},
        "hostnameOverride": name, "oomScoreAdj": 0,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s",
                      "tcpCloseWaitTimeout": "0s"}})
