"""What openstacksdk makes of the REST API. Run by the test of the same name; prints ok at the end."""

import os

import openstack
from openstack import exceptions

network = openstack.connect(auth_type="none", endpoint=os.environ["OS_ENDPOINT"]).network

net = network.create_network(name="sdk-net", provider_network_type="vxlan", mtu=1400)
assert net.mtu == 1400 and net.provider_network_type == "vxlan", net
assert network.find_network("sdk-net").id == net.id
assert network.find_network("nobody") is None

v4 = network.create_subnet(network_id=net.id, ip_version=4, cidr="10.7.0.0/24", name="sdk-v4")
v6 = network.create_subnet(network_id=net.id, ip_version=6, cidr="2001:db8:7::/64", gateway_ip=None)
assert v4.gateway_ip == "10.7.0.1" and v6.gateway_ip is None
assert set(network.get_network(net.id).subnet_ids) == {v4.id, v6.id}

port = network.create_port(network_id=net.id, name="p0", fixed_ips=[{"ip_address": "10.7.0.77"}], binding_host_id="compute1")
assert port.binding_vif_type == "ovs" and port.fixed_ips == [{"subnet_id": v4.id, "ip_address": "10.7.0.77"}], port
many = network.create_ports([{"network_id": net.id, "name": f"p{i}"} for i in range(1, 5)])
assert len({p.mac_address for p in many}) == 4

names = lambda ports: sorted(p.name for p in ports)
assert names(network.ports(network_id=net.id)) == ["p0", "p1", "p2", "p3", "p4"]
# the client goes from page to page by itself
assert names(network.ports(network_id=net.id, limit=2)) == ["p0", "p1", "p2", "p3", "p4"]
assert names(network.ports(fixed_ips="ip_address=10.7.0.77")) == ["p0"]
assert names(network.ports(binding_host_id="compute1")) == ["p0"]
assert names(network.ports(is_admin_state_up=False)) == []

port = network.update_port(port, is_admin_state_up=False, name="renamed", fixed_ips=[{"subnet_id": v6.id}])
assert not port.is_admin_state_up and port.name == "renamed" and len(port.fixed_ips) == 1
for call, error in [
    (lambda: network.delete_network(net), exceptions.ConflictException),
    (lambda: network.delete_subnet(v4), exceptions.ConflictException),
    (lambda: network.create_port(network_id=net.id, fixed_ips=[{"ip_address": "10.8.0.1"}]), exceptions.BadRequestException),
    (lambda: network.get_port("no-such-port"), exceptions.NotFoundException),
]:
    try:
        call()
    except error:
        continue
    raise AssertionError(f"{error.__name__} was not raised")

[agent] = network.agents(host="compute1")
assert agent.is_alive, agent
assert network.find_extension("binding") is not None
assert network.find_extension("no-such") is None

# security groups: the default one, one's own, rules
[default] = network.security_groups(name="default")
assert len(default.security_group_rules) == 4, default
web = network.create_security_group(name="web", description="w")
rule = network.create_security_group_rule(
    security_group_id=web.id, direction="ingress", protocol="tcp", port_range_min=80, port_range_max=80
)
assert [r.id for r in network.security_group_rules(security_group_id=web.id, direction="ingress")] == [rule.id]
member = network.create_port(network_id=net.id, name="web", security_groups=[web.id])
assert member.security_group_ids == [web.id], member
assert names(network.ports(security_groups=web.id)) == ["web"]
try:
    network.delete_security_group(web, ignore_missing=False)
    raise AssertionError("a group in use was deleted")
except exceptions.ConflictException:
    pass
network.delete_port(member, ignore_missing=False)
network.delete_security_group_rule(rule, ignore_missing=False)
network.delete_security_group(web, ignore_missing=False)

# tags
network.set_tags(net, ["red", "blue"])
assert sorted(network.get_network(net.id).tags) == ["blue", "red"]
assert [n.id for n in network.networks(tags="red,blue")] == [net.id] and not list(network.networks(not_any_tags="red"))

# quotas
quota = network.update_quota("p1", networks=1)
assert (quota.networks, quota.ports) == (1, -1), quota
network.create_network(project_id="p1", name="first")
try:
    network.create_network(project_id="p1")
    raise AssertionError("a quota was exceeded")
except exceptions.ConflictException:
    pass
assert network.get_quota("p1", details=True).networks == {"limit": 1, "used": 1, "reserved": 0}
network.delete_quota("p1", ignore_missing=False)
network.delete_network(network.find_network("first"), ignore_missing=False)

# a VM's port moves to another host
vm = network.create_port(network_id=net.id, device_owner="compute:nova", binding_host_id="compute1")
made = network.create_port_binding(vm, host="compute2")
assert (made.status, made.vif_type) == ("INACTIVE", "ovs"), made
assert sorted(b.host for b in network.port_bindings(vm)) == ["compute1", "compute2"]
network.activate_port_binding(vm, host="compute2")
assert network.get_port(vm.id).binding_host_id == "compute2"
network.delete_port_binding(vm, host="compute1")
assert [b.host for b in network.port_bindings(vm)] == ["compute2"]

# agents and zones
agent = network.update_agent(agent, is_admin_state_up=False, description="rack 7")
assert (agent.is_admin_state_up, agent.description) == (False, "rack 7"), agent
assert [(zone.name, zone.resource, zone.state) for zone in network.availability_zones()] == [("nova", "network", "available")]
listed = {extension.alias for extension in network.extensions()}
assert {"security-group", "binding-extended", "quotas", "standard-attr-tag"} <= listed and "router" not in listed, listed

# DNS names
named = network.create_port(network_id=net.id, dns_name="Web-1", fixed_ips=[{"ip_address": "10.7.0.78"}])
assert named.dns_name == "web-1", named
[assigned] = named.dns_assignment
assert (assigned["ip_address"], assigned["fqdn"]) == ("10.7.0.78", "web-1.openstacklocal."), assigned

for port in network.ports(network_id=net.id):
    network.delete_port(port, ignore_missing=False)
network.delete_network(net, ignore_missing=False)
assert list(network.networks()) == [] and list(network.subnets()) == []
print("ok")
