# SPDX-License-Identifier: Apache-2.0
#
# An access log with our figures next to the probe's, and its lines as data.
#
#   my $log = PST::Log->new($server);         directives: $log->conf
#   my $line = $log->line('a text of the request line');
#   $line->{request}{reserved}, $line->{connection}{buckets}, $line->{probe}...
package PST::Log;
use strict;
use warnings;
use PST ();

our @REQUEST    = qw(reserved used slack peak pools growths);
our @CONNECTION = qw(reserved used slack peak pools growths buckets retained requests);

# The probe's figure, ours, the probe's again: if its two agree, so must the one between them.
# A text takes 24 bytes for the probe, 40 for us: `used` grows by them.
my @SANDWICH = ('%^PB', '%^PR', '%{Reserved}^PR', '%{reserved_bytes}^PR', '%^PB', '%{used}^PB', '%{used}^PR', '%{used}^PB', '%{nodes}^PB');

sub new {
    my ($class, $server) = @_;
    return bless { file => "$server->{dir}/logs.txt" }, $class;
}

sub conf {
    my ($self) = @_;
    my $format = join ' ', @SANDWICH, (map "%{$_}^PR", @REQUEST), (map "%{$_}^PC", @CONNECTION), '%^PC', '|%r';
    return "LogFormat \"$format\" poolstat\nCustomLog $self->{file} poolstat\n";
}

sub parse {
    my ($text) = @_;
    my ($figures, $line) = split / \|/, $text, 2;
    my @f = split / /, $figures;
    my %l = (line => $line, sandwich => [ splice @f, 0, @SANDWICH ]);
    @{ $l{request} }{@REQUEST}       = splice @f, 0, @REQUEST;
    @{ $l{connection} }{@CONNECTION} = splice @f, 0, @CONNECTION;
    $l{connection_plain} = shift @f;
    return \%l;
}

sub lines {
    my ($self) = @_;
    return () unless -e $self->{file};
    return map parse($_), split /\n/, PST::Stage::read_file($self->{file}) =~ s/[^\n]+\z//r;
}

# The line of the request whose request line contains this, once it is written.
sub line {
    my ($self, $what) = @_;
    my @found;
    PST::wait_for(sub { @found = grep { index($_->{line}, $what) >= 0 } $self->lines; @found }, 10);
    return $found[-1];
}

# What is wrong with a line whose request has one pool, or nothing.
# The second result says whether the probe's figures enclosed ours, so that they could be compared.
sub wrong {
    my ($line) = @_;
    my ($p1, @rest) = @{ $line->{sandwich} };
    my ($used1, $used, $used2) = splice @rest, 4, 3;    # of one pool
    my ($p2, $nodes) = splice @rest, 3, 2;
    my @wrong = grep { $p1 == $p2 && $_ ne $p1 } @rest;
    @wrong = map "the probe says $p1, we say $_", @wrong;
    # the probe counts what was handed out; `used` is everything except slack, and each node has 40 bytes of its own
    my $r = $line->{request};
    push @wrong, "used: the probe says $used1 and then $used2 of $nodes nodes, we say $used"
      if $used2 - $used1 == 40 + 24 && $used ne $used1 + 40 + 40 * $nodes;
    push @wrong, 'reserved is not used + slack' if $r->{reserved} - $r->{used} - $r->{slack} != 40;
    return ("@wrong", $p1 == $p2 && $used2 - $used1 == 40 + 24);
}

1;
