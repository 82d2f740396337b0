/// Who asks. Until there are tokens, everybody is an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) project_id: String,
    pub(crate) is_admin: bool,
}

impl Context {
    /// As Neutron's `noauth`.
    pub(crate) fn without_token() -> Context {
        Context { project_id: "fake_project_id".to_owned(), is_admin: true }
    }
}
