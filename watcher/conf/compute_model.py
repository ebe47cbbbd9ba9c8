# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""What the compute model contains."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'compute_model',
    title='Contents of the compute model')

OPTS = [
    cfg.BoolOpt(
        'enable_extended_attributes',
        default=False,
        help='Also read the flavor extra specs and the pinned availability '
             'zone of each server, so that strategies and audit scopes can '
             'use them. The pinned zone needs [nova] api_version 2.96 or '
             'later. Makes the model larger.'),
    cfg.DictOpt(
        'pci_aliases',
        default={},
        help='Resource classes of the devices behind PCI aliases, for clouds '
             'where Nova reports PCI devices to Placement ([pci] '
             'report_in_placement): alias:class, for instance '
             'a100:CUSTOM_PCI_10DE_20B0. Strategies then see to it that a '
             'destination has the devices free that a flavor names in '
             'pci_passthrough:alias. An alias that is not listed is one that '
             'only Nova can count; see the filter alike_hosts.'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options of this module by group name."""
    return [(GROUP.name, OPTS)]
